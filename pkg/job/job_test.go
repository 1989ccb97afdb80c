package job_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/job"
)

func TestFrames(t *testing.T) {
	frames := []job.Frame{
		{Kind: job.Want, Data: []byte(job.Version)},
		{Kind: job.Stdout, Data: []byte("a\x00b")},
		{Kind: job.Stderr, Data: make([]byte, job.MaxFrame)},
		{Kind: job.Exit, Data: []byte{}},
	}
	var b bytes.Buffer
	for _, f := range frames {
		if err := job.WriteFrame(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Bytes()[:6]; string(got) != "w\x00\x00\x00\x011" {
		t.Errorf("the first frame is %q", got)
	}
	var got []job.Frame
	for range frames {
		f, err := job.ReadFrame(&b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if diff := cmp.Diff(frames, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	if _, err := job.ReadFrame(&b); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestBadFrames(t *testing.T) {
	for _, test := range []struct{ data, want string }{
		{"o", io.ErrUnexpectedEOF.Error()},
		{"o\x00\x00\x00\x02a", io.ErrUnexpectedEOF.Error()},
		{"o\x00\x00\x00\x02", io.ErrUnexpectedEOF.Error()},
		{"?\x00\x00\x00\x00", "unknown kind '?'"},
		{"o\x00\x10\x00\x01", "1048577 bytes, more than 1048576"},
	} {
		_, err := job.ReadFrame(strings.NewReader(test.data))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.data, err, test.want)
		}
	}
	err := job.WriteFrame(io.Discard, job.Frame{Kind: job.Stdout, Data: make([]byte, job.MaxFrame+1)})
	if err == nil {
		t.Error("a frame is written that is too large")
	}
}

// FuzzReadFrame writes again what could be read.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("x\x00\x00\x00\x017"))
	f.Add([]byte("o\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, err := job.ReadFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := job.WriteFrame(&again, frame); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, again.Bytes()) {
			t.Errorf("%q became %q", data, again.Bytes())
		}
	})
}

func TestJob(t *testing.T) {
	j := job.Job{
		Argv: []string{"sh", "-c", "echo \"\u00e4\", $1\n", ""},
		In:   []job.Copy{{Disk: "in0", Path: "/srv/in"}},
		Out:  []job.Copy{{Disk: "out0", Path: "/srv/out"}},
	}
	encoded, err := j.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := job.Decode(encoded)
	if diff := cmp.Diff(j, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	name, value, _ := strings.Cut(job.SMBIOS(encoded), "=")
	if name != "io.systemd.credential.binary:freshroot.job" {
		t.Errorf("the credential is %q", name)
	}
	if decoded, err := base64.StdEncoding.DecodeString(value); err != nil || !bytes.Equal(decoded, encoded) {
		t.Errorf("the credential holds %q: %v", decoded, err)
	}
}

func TestBadJobs(t *testing.T) {
	long := strings.Repeat("x", job.MaxFrame)
	for text, want := range map[string]string{
		``:                             "EOF",
		`{}`:                           "no command",
		`{"argv":[]}`:                  "no command",
		`{"argv":[""]}`:                "no command",
		`{"argv":["a\u0000b"]}`:        "zero byte",
		`{"argv":["a"],"user":"ada"}`:  `unknown field "user"`,
		`{"argv":["a"]} {}`:            "more than one value",
		`{"argv":["` + long + `"]}`:    "more than 1048576",
		`{"argv":"a"}`:                 "cannot unmarshal",
		copying("in", "srv"):           "no clean absolute path",
		copying("in", "/"):             "no clean absolute path",
		copying("out", "/srv/../etc"):  "no clean absolute path",
		copying("out", "/srv//double"): "no clean absolute path",
	} {
		_, err := job.Decode([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
	if _, err := (job.Job{Argv: []string{long}}).Encode(); err == nil {
		t.Error("a job is encoded that is too large")
	}
	if _, err := (job.Job{}).Encode(); err == nil {
		t.Error("a job is encoded that has no command")
	}
}

// copying is a job that copies a path in or out.
func copying(direction, path string) string {
	return `{"argv":["a"],"` + direction + `":[{"disk":"d","path":"` + path + `"}]}`
}

// FuzzDecode wants that what is accepted can be encoded, and means the same then.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"argv":["true"],"in":[{"disk":"a","path":"/b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := job.Decode(data)
		if err != nil {
			return
		}
		encoded, err := j.Encode()
		if errors.Is(err, nil) {
			again, err := job.Decode(encoded)
			if diff := cmp.Diff(j, again); err != nil || diff != "" {
				t.Errorf("%v:\n%s", err, diff)
			}
		}
	})
}
