package host

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/job"
	"github.com/freshroot/freshroot/pkg/job/guest"
)

// answer is what a talk comes to.
type answer struct {
	Status         int
	Stdout, Stderr string
}

// converse has a talk with a guest.
func converse(t *testing.T, encoded []byte, with func(port net.Conn)) (answer, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	go func() {
		with(theirs)
		theirs.Close()
	}()
	var stdout, stderr bytes.Buffer
	talk := talk{
		port: ours, job: encoded, options: Options{Stdout: &stdout, Stderr: &stderr},
		began: time.Now(),
	}
	err := talk.talk()
	return answer{talk.result.Status, stdout.String(), stderr.String()}, err
}

// TestCommands runs commands by the guest's side, in each of the ways that a job can get
// there.
func TestCommands(t *testing.T) {
	big := strings.Repeat("0123456789abcde\n", 1<<16)
	for _, test := range []struct {
		name string
		argv []string
		want answer
	}{
		{"good", []string{"true"}, answer{}},
		{"status", []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, answer{7, "out\n", "err\n"}},
		{"signal", []string{"sh", "-c", "kill -KILL $$"}, answer{Status: 137}},
		{"arguments", []string{"printf", "%s|", "", "a b", "$x"}, answer{Stdout: "|a b|$x|"}},
		{"large", []string{"sh", "-c", "yes 0123456789abcde | head -n 65536"}, answer{Stdout: big}},
		{"no input", []string{"cat"}, answer{}},
		{"directory", []string{"pwd"}, answer{Stdout: "/\n"}},
		{"no program", []string{"no-such-program"}, answer{Status: 127,
			Stderr: "freshroot ci: exec: \"no-such-program\": executable file not found in $PATH\n"}},
		{"no file", []string{"/no/file"}, answer{Status: 127,
			Stderr: "freshroot ci: fork/exec /no/file: no such file or directory\n"}},
		{"not executable", []string{"/etc/passwd"}, answer{Status: 126,
			Stderr: "freshroot ci: fork/exec /etc/passwd: permission denied\n"}},
		{"left behind", []string{"sh", "-c", "tail -f --pid=$PPID /dev/null & echo out; exit 3"}, answer{3, "out\n", ""}},
	} {
		encoded, err := job.Job{Argv: test.argv}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		for way, credential := range map[string][]byte{"credential": encoded, "port": nil} {
			t.Run(test.name+" by "+way, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				got, err := converse(t, encoded, func(port net.Conn) {
					if err := guest.Serve(ctx, port, credential); err != nil {
						t.Errorf("Serve: %v", err)
					}
				})
				if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
					t.Errorf("%v (-want +got):\n%.2000s", err, diff)
				}
			})
		}
	}
}

// TestUp is told that the guest is up, once, and before the command has written.
func TestUp(t *testing.T) {
	encoded, err := job.Job{Argv: []string{"echo", "out"}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	served := make(chan error, 1)
	go func() { served <- guest.Serve(t.Context(), theirs, nil) }()
	var out bytes.Buffer
	talk := talk{port: ours, job: encoded, began: time.Now(), options: Options{
		Stdout: &out, Stderr: &out, Up: func() { out.WriteString("up\n") },
	}}
	if err := errors.Join(talk.talk(), <-served); err != nil || out.String() != "up\nout\n" {
		t.Errorf("%v, %q", err, out.String())
	}
}

// TestBadGuests has a talk with guests that say something else.
func TestBadGuests(t *testing.T) {
	const hello = "h\x00\x00\x00\x011"
	for said, want := range map[string]string{
		"":                                     "EOF",
		"?":                                    "unexpected EOF",
		"h\x00\x00\x00\x0222":                  `version "22" of the protocol`,
		"o\x00\x00\x00\x00":                    "begins with a frame 'o'",
		hello:                                  "EOF",
		hello + hello:                          "sends a frame 'h'",
		hello + "r\x00\x00\x00\x00":            "sends a frame 'r'",
		hello + "x\x00\x00\x00\x03256":         `reports status "256"`,
		hello + "x\x00\x00\x00\x02-1":          `reports status "-1"`,
		hello + "x\x00\x00\x00\x00":            `reports status ""`,
		hello + "f\x00\x00\x00\x06bad\x1bly":   `the guest says: "bad\x1bly"`,
		hello + "o\x7f\x00\x00\x00":            "more than 1048576",
		hello + "o\x00\x00\x00\x01ax\x00\x00":  "unexpected EOF",
		"GUEST-UP\n" + strings.Repeat("x", 99): "unknown kind 'G'",
	} {
		_, err := converse(t, nil, func(port net.Conn) { io.WriteString(port, said) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", said, err, want)
		}
	}
}

// TestBadHosts is the guest's view of hosts that say something else.
func TestBadHosts(t *testing.T) {
	for said, want := range map[string]string{
		"":                             "get job: EOF",
		"o\x00\x00\x00\x00":            "the host says 'o'",
		"r\x00\x00\x00\x02{}":          "no command",
		"r\x00\x00\x00\x0bnot a job..": "decode job",
	} {
		ours, theirs := net.Pipe()
		failed := make(chan error, 1)
		go func() {
			failed <- guest.Serve(t.Context(), theirs, nil)
			theirs.Close()
		}()
		if f, err := job.ReadFrame(ours); err != nil || f.Kind != job.Want {
			t.Fatalf("the guest begins with %q: %v", f.Kind, err)
		}
		if said == "" {
			ours.Close()
		} else {
			io.WriteString(ours, said)
			if f, err := job.ReadFrame(ours); err != nil || f.Kind != job.Fail {
				t.Errorf("%q: the guest says %q: %v", said, f.Kind, err)
			}
		}
		if err := <-failed; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", said, err, want)
		}
		ours.Close()
	}
}

// TestExplain wants each failure told from the others.
func TestExplain(t *testing.T) {
	broken := errors.New("broken")
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(ErrTimeout)
	for _, test := range []struct {
		ctx  context.Context
		up   bool
		err  error
		want error
	}{
		{t.Context(), false, broken, ErrNotUp},
		{t.Context(), false, io.EOF, ErrNotUp},
		{t.Context(), true, broken, ErrLost},
		{t.Context(), true, io.EOF, ErrLost},
		{interrupted, true, broken, ErrTimeout},
	} {
		got := (&talk{up: test.up}).explain(test.ctx, test.err)
		if !errors.Is(got, test.want) {
			t.Errorf("up %v, %v: %v, want %v", test.up, test.err, got, test.want)
		}
	}
}
