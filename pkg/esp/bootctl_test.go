package esp_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/internal/bootctl"
	"github.com/freshroot/freshroot/internal/testfs"
	"github.com/freshroot/freshroot/pkg/esp"
)

// TestIntegrationBootctl has systemd's bootctl read what was made, in the order of the
// boot loader's menu.
func TestIntegrationBootctl(t *testing.T) {
	for _, c := range []struct {
		style esp.Style
		id    string
	}{{esp.Entries, "-V.conf"}, {esp.UKI, "_V.efi"}} {
		dir := testfs.Tmpfs(t, "size=16m")
		conf := imageConfig(t)
		conf.Style = c.style
		sync(t, dir, versions(t, "1.0+0-3", "1.10~rc1+3", "1.9"), conf)
		var want []bootctl.Entry
		for _, v := range []struct {
			version, safe string
			tries         int
		}{{"1.10~rc1", "1.10_7erc1", 3}, {"1.9", "1.9", 0}, {"1.0", "1.0", 0}} {
			want = append(want, bootctl.Entry{
				ID:    "org.example.os" + strings.Replace(c.id, "V", v.safe, 1),
				Title: "Example OS", SortKey: "org.example.os", Version: v.version,
				Options: "freshroot.usr=org.example.os:" + v.version, TriesLeft: v.tries,
			})
		}
		if diff := cmp.Diff(want, bootctl.List(t, dir)); diff != "" {
			t.Errorf("%s (-want +bootctl's):\n%s", c.style, diff)
		}
	}
}
