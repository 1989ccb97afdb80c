package dist_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/dist"
)

func TestLinks(t *testing.T) {
	for name, tc := range map[string]struct{ has, want string }{
		"OpenRC": {
			"etc/runlevels/default/x etc/rc2.d/x",
			"etc/runlevels/default/a=/etc/init.d/a",
		},
		"sysvinit": {
			"etc/rc2.d/x etc/init.d/rcS",
			"etc/rc0.d/K01a=../init.d/a etc/rc2.d/S99a=../init.d/a etc/rc3.d/S99a=../init.d/a " +
				"etc/rc4.d/S99a=../init.d/a etc/rc5.d/S99a=../init.d/a etc/rc6.d/K01a=../init.d/a",
		},
		"Buildroot": {"etc/init.d/rcS", "etc/init.d/S99a=a"},
		"another":   {"etc/hosts", ""},
	} {
		tree := fstest.MapFS{}
		for _, file := range strings.Fields(tc.has) {
			tree[file] = &fstest.MapFile{}
		}
		var got []string
		for link, target := range dist.Links(tree, "etc", "a") {
			got = append(got, link+"="+target)
		}
		slices.Sort(got)
		if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestOrder(t *testing.T) {
	const before = "TARGETS = sendsigs rc.local\nINTERACTIVE =\nrc.local: sendsigs\n"
	for name, want := range map[string]string{
		".depend.start": "TARGETS = sendsigs rc.local a\nINTERACTIVE =\nrc.local: sendsigs\n" +
			"a: sendsigs rc.local\n",
		".depend.stop": "TARGETS = sendsigs rc.local a\nINTERACTIVE =\nrc.local: sendsigs\n" +
			"sendsigs: a\n",
	} {
		if diff := cmp.Diff(want, dist.Order(name, before, "a")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
