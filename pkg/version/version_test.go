package version_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/freshroot/freshroot/pkg/version"
)

// ascending holds lists whose members are each older than the next.
var ascending = [][]string{
	{"~", "~1", "", "1~rc1", "1", "1-1", "1^post", "1.1", "1.2", "1.10", "2"},
	{"25~beta", "25", "25beta"},
	{"24.7", "24.8", "24.9", "24.10"},
	{"302.7.8", "302.7.9", "302.7.10"},
	{"1.a", "1.0"},
	{"a", "ab", "b", "1"},
	{"1", "18446744073709551616", "18446744073709551617"},
}

// equal holds pairs that mean the same.
var equal = [][2]string{
	{"", "_"}, {"1", "1"}, {"001", "1"}, {"1_2", "1+2"}, {"1.0", "1.00"},
	{"a_b", "aäb"}, {"0", "000"},
}

func TestCompareOrder(t *testing.T) {
	for _, list := range ascending {
		for i, a := range list {
			for j, b := range list {
				want := min(max(i-j, -1), 1)
				if got := version.Compare(a, b); got != want {
					t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
				}
			}
		}
	}
}

func TestCompareEqual(t *testing.T) {
	for _, pair := range equal {
		if got := version.Compare(pair[0], pair[1]); got != 0 {
			t.Errorf("Compare(%q, %q) = %d, want 0", pair[0], pair[1], got)
		}
	}
}

// TestCompareAgreesWithSystemd asks systemd about every pair above and about
// random ones made of the bytes that matter.
func TestCompareAgreesWithSystemd(t *testing.T) {
	tool := lookTool(t, "systemd-analyze")
	rng := rand.New(rand.NewPCG(10, 2014))
	pairs := slices.Clone(equal)
	for _, list := range ascending {
		for i := range list[1:] {
			pairs = append(pairs, [2]string{list[i], list[i+1]})
		}
	}
	for range 400 {
		pairs = append(pairs, [2]string{randomVersion(rng), randomVersion(rng)})
	}
	for _, pair := range pairs {
		want := systemdOrder(t, tool, pair[0], pair[1])
		if got := version.Compare(pair[0], pair[1]); got != want {
			t.Errorf("Compare(%q, %q) = %d, systemd says %d", pair[0], pair[1], got, want)
		}
	}
}

func lookTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skip(err)
	}
	return path
}

func randomVersion(rng *rand.Rand) string {
	const alphabet = "0019ab~^.-_+Z"
	v := make([]byte, 1+rng.IntN(7))
	for i := range v {
		v[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return string(v)
}

// systemdOrder runs systemd-analyze, which answers by its exit status: 0 equal,
// 11 newer, 12 older.
func systemdOrder(t *testing.T, tool, a, b string) int {
	t.Helper()
	err := exec.Command(tool, "compare-versions", "--", a, b).Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() == 11:
		return 1
	case errors.As(err, &exit) && exit.ExitCode() == 12:
		return -1
	}
	t.Fatalf("systemd-analyze compare-versions %q %q: %v", a, b, err)
	return 0
}

func FuzzCompare(f *testing.F) {
	f.Add("1.0", "1.a", "2~")
	f.Add("25beta", "25", "~^.-")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if version.Compare(a, b) != -version.Compare(b, a) {
			t.Errorf("Compare(%q, %q) is not antisymmetric", a, b)
		}
		if version.Compare(a, a) != 0 {
			t.Errorf("Compare(%q, itself) is not 0", a)
		}
		list := []string{a, b, c}
		slices.SortFunc(list, version.Compare)
		if version.Compare(list[0], list[2]) > 0 {
			t.Errorf("%q is not ordered transitively", list)
		}
	})
}
