package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/volatile"
)

const wantFailure = `{
  "failure": {
    "what": "a: b",
    "problem": "no-btrfs",
    "seen": [
      "vda"
    ],
    "do": [
      "look"
    ]
  }
}
`

// TestReport sees what a person and what a program is told, and the exit status.
func TestReport(t *testing.T) {
	f := &volatile.Failure{Problem: volatile.NoBtrfs, What: "b", Seen: []string{"vda"}, Do: []string{"look"}}
	for _, test := range []struct {
		err         error
		args        []string
		out, errOut string
		status      int
	}{
		{errors.New("no"), nil, "", "freshroot list: no\n", exitFailure},
		{errors.New("no"), []string{"--json"}, "{\n  \"failure\": {\n    \"what\": \"no\"\n  }\n}\n", "freshroot list: no\n", exitFailure},
		{fmt.Errorf("a: %w", f), []string{"--json"}, wantFailure,
			"freshroot list: a: b\n  vda\nwhat to do:\n  look\n", exitFailure},
		{errSaid, []string{"--json"}, "", "", exitFailure},
		{usageError{errors.New("no")}, nil, "", "freshroot list: no\nSee 'freshroot list --help'.\n", exitUsage},
		{exitStatus(65), nil, "", "", 65},
	} {
		var out, errOut bytes.Buffer
		root := rootCommand()
		c, _, err := root.Find([]string{"list"})
		if err := errors.Join(err, c.ParseFlags(test.args)); err != nil {
			t.Fatal(err)
		}
		c.SetOut(&out)
		c.SetErr(&errOut)
		got := []any{report(c, test.err), out.String(), errOut.String()}
		if diff := cmp.Diff([]any{test.status, test.out, test.errOut}, got); diff != "" {
			t.Errorf("%v %q (-want +got):\n%s", test.err, test.args, diff)
		}
	}
}
