package volatile_test

import (
	"testing"

	"github.com/freshroot/freshroot/pkg/volatile"
)

func TestPoolMount(t *testing.T) {
	for _, c := range []struct {
		mode     volatile.Mode
		hasLog   bool
		readOnly bool
		options  string
	}{
		{volatile.No, true, false, "subvolid=5"},
		{volatile.State, false, false, "subvolid=5"},
		{volatile.Yes, true, true, "subvolid=5,rescue=nologreplay"},
		{volatile.Yes, false, true, "subvolid=5"},
		{volatile.Overlay, true, true, "subvolid=5"},
	} {
		readOnly, options := volatile.PoolMount(volatile.Options{Mode: c.mode}, c.hasLog)
		if readOnly != c.readOnly || options != c.options {
			t.Errorf("%s, log: %v: read-only: %v, %s", c.mode, c.hasLog, readOnly, options)
		}
	}
}
