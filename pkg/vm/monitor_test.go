package vm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// qmpServer answers each command it reads with the next text, and returns what it
// read.
func qmpServer(t *testing.T, greeting string, answers ...string) (*monitor, chan []string) {
	t.Helper()
	ours, theirs, err := socketPair("qmp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	read := make(chan []string, 1)
	go func() {
		defer theirs.Close()
		fmt.Fprint(theirs, greeting)
		var lines []string
		for in := bufio.NewScanner(theirs); len(answers) > 0 && in.Scan(); {
			lines = append(lines, in.Text())
			fmt.Fprint(theirs, answers[0])
			answers = answers[1:]
		}
		read <- lines
	}()
	return newMonitor(ours), read
}

const greeting = `{"QMP": {"version": {}}}`

func TestMonitor(t *testing.T) {
	m, read := qmpServer(t, greeting, `{"return": {}}`,
		`{"event": "RESET", "data": {}} {"return": {}, "id": 1}`,
		`{"error": {"class": "GenericError", "desc": "no such bus"}}`)
	if err := m.command(t.Context(), "blockdev-add", props{"driver": "raw"}); err != nil {
		t.Fatal(err)
	}
	err := m.command(t.Context(), "device_add", props{"bus": "b"})
	if err == nil || err.Error() != "monitor device_add: no such bus" {
		t.Errorf("error %v, want QEMU's words", err)
	}
	want := []string{
		`{"execute":"qmp_capabilities"}`,
		`{"arguments":{"driver":"raw"},"execute":"blockdev-add"}`,
		`{"arguments":{"bus":"b"},"execute":"device_add"}`,
	}
	if diff := cmp.Diff(want, <-read); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestMonitorGoesAway(t *testing.T) {
	m, _ := qmpServer(t, greeting, "")
	err := m.command(t.Context(), "device_add", nil)
	if err == nil || !strings.Contains(err.Error(), "qmp_capabilities") {
		t.Errorf("command without an answer: %v", err)
	}
}

// TestMonitorHonoursContext has a server that never answers.
func TestMonitorHonoursContext(t *testing.T) {
	m, _ := qmpServer(t, greeting, "", "")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() { failed <- m.command(ctx, "device_add", nil) }()
	cancel()
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("command: %v, want that it was interrupted", err)
	}
}
