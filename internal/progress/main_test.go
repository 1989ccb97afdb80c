package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestShow(t *testing.T) {
	const events = `# a compiler's message
{"Action":"run","Package":"github.com/freshroot/freshroot/pkg/a","Test":"TestShort"}
{"Action":"run","Package":"github.com/freshroot/freshroot/pkg/a","Test":"TestLong"}
{"Action":"output","Package":"github.com/freshroot/freshroot/pkg/a","Test":"TestLong","Output":"long 1\n"}
{"Action":"output","Package":"github.com/freshroot/freshroot/pkg/a","Test":"TestShort","Output":"short\n"}
{"Action":"output","Package":"github.com/freshroot/freshroot/pkg/a","Test":"TestLong","Output":"long 2\n"}
{"Action":"pass","Package":"github.com/freshroot/freshroot/pkg/a","Test":"TestLong","Elapsed":61.25}
{"Action":"pass","Package":"github.com/freshroot/freshroot/pkg/a","Test":"TestShort","Elapsed":0.01}
{"Action":"output","Package":"github.com/freshroot/freshroot/pkg/a","Output":"FAIL\n"}
{"Action":"fail","Package":"github.com/freshroot/freshroot/pkg/a","Elapsed":62}
{"Action":"skip","Package":"github.com/freshroot/freshroot/pkg/b","Elapsed":0}
`
	var terminal, file strings.Builder
	if err := show(strings.NewReader(events), &terminal, &file); err != nil {
		t.Fatal(err)
	}
	want := "  pass  pkg/a TestLong  61.2 s\nfail  pkg/a  62.0 s\n"
	if diff := cmp.Diff(want, terminal.String()); diff != "" {
		t.Errorf("terminal (-want +got):\n%s", diff)
	}
	want = "# a compiler's message\nlong 1\nlong 2\nshort\nFAIL\n"
	if diff := cmp.Diff(want, file.String()); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}
