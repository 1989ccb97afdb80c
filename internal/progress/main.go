// Command progress reads what "go test -json" prints and shows a line for each
// package and each long test as it ends. Without it, go test with several packages
// shows nothing for minutes. All that the tests print goes to the file that its only
// argument names, grouped by test.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
)

// event is a line of go test -json (see "go doc test2json").
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// long is how many seconds a test takes that is worth a line of its own.
const long = 5

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go test -json ... | progress FILE")
	}
	f, err := os.Create(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := show(os.Stdin, os.Stdout, f); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}

// show reads events. A line that is none, as a compiler's message, is output.
func show(in io.Reader, terminal, file io.Writer) error {
	output := map[string]*strings.Builder{} // of tests that have not ended
	for lines := bufio.NewReader(in); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		var e event
		if json.Unmarshal(line, &e) != nil {
			e = event{Action: "output", Output: string(line)}
		}
		key := e.Package + " " + e.Test
		if output[key] == nil {
			output[key] = &strings.Builder{}
		}
		output[key].WriteString(e.Output)
		if e.ended() || e.Package == "" {
			io.WriteString(file, output[key].String())
			delete(output, key)
		}
		if text := e.text(); text != "" {
			fmt.Fprintln(terminal, text)
		}
	}
}

func (e event) ended() bool {
	return e.Action == "pass" || e.Action == "fail" || e.Action == "skip"
}

// text is what a person sees of an event, or "".
func (e event) text() string {
	name := strings.TrimPrefix(e.Package, "github.com/freshroot/freshroot/")
	switch {
	case !e.ended() || e.Test == "" && e.Action == "skip": // has no tests
		return ""
	case e.Test == "":
		return fmt.Sprintf("%s  %s  %.1f s", e.Action, name, e.Elapsed)
	case e.Action == "fail" || e.Elapsed >= long:
		return fmt.Sprintf("  %s  %s %s  %.1f s", e.Action, name, e.Test, e.Elapsed)
	}
	return ""
}
