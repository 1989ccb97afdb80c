package keep_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/keep"
)

func TestWhy(t *testing.T) {
	rules := append(keep.Defaults(), parse(t, "/var/lib/a/ reboot\n!/etc/ssh/ssh_host_dsa_* reset")...)
	yes := parse(t, "/etc/vendor reboot")
	for path, want := range map[string][]string{
		"/etc/machine-id": {
			"reboot, volatile=no: yes, all of the instance stays",
			"reboot, volatile=state: yes, only /var is fresh",
			"reboot, volatile=yes: no, it is fresh from the factory, as no line covers it",
			"reboot, volatile=overlay: no, changes are lost with the overlay",
			"update: yes, the merge leaves it alone [/etc/machine-id update reset, built in]",
			"factory reset: yes, the reset spares it [/etc/machine-id update reset, built in]",
		},
		"/etc/ssh/ssh_host_dsa_key": {
			"reboot, volatile=no: yes, all of the instance stays",
			"reboot, volatile=state: yes, only /var is fresh",
			"reboot, volatile=yes: no, it is fresh from the factory, as no line covers it",
			"reboot, volatile=overlay: no, changes are lost with the overlay",
			"update: yes, the merge leaves it alone [/etc/ssh/ssh_host_* update reset, built in]",
			"factory reset: no, it is fresh from the factory [!/etc/ssh/ssh_host_dsa_* reset, f:2]",
		},
		"/var/lib/a/b": {
			"reboot, volatile=no: yes, all of the instance stays",
			"reboot, volatile=state: yes, it is bound from the instance [/var/lib/a/ reboot, f:1]",
			"reboot, volatile=yes: yes, it is bound from the instance [/var/lib/a/ reboot, f:1]",
			"reboot, volatile=overlay: no, changes are lost with the overlay",
			"update: yes, only /etc is merged",
			"factory reset: no, it is fresh from the factory, as no line covers it",
		},
		"/etc/vendor/x": {
			"reboot, volatile=no: yes, all of the instance stays",
			"reboot, volatile=state: yes, only /var is fresh",
			"reboot, volatile=yes: yes, it is bound from the instance [/etc/vendor reboot, f:1]",
			"reboot, volatile=overlay: no, changes are lost with the overlay",
			"update: no, the vendor's changes are merged into it, as no line covers it",
			"factory reset: no, it is fresh from the factory, as no line covers it",
		},
		"/usr/bin/sh": {
			"reboot: yes, /usr belongs to the golden master",
			"update: no, /usr belongs to the golden master",
			"factory reset: yes, /usr belongs to the golden master",
		},
		"/run/x": {
			"reboot: no, /run belongs to the running kernel",
			"update: no, /run belongs to the running kernel",
			"factory reset: no, /run belongs to the running kernel",
		},
	} {
		var got []string
		for _, v := range rules.Why(path, append(yes, rules...)) {
			got = append(got, text(v))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func text(v keep.Verdict) string {
	answer := "no"
	if v.Survives {
		answer = "yes"
	}
	line := fmt.Sprintf("%s: %s, %s", v.Event, answer, v.Reason)
	if v.Rule != "" {
		line += fmt.Sprintf(" [%s, %s]", v.Rule, v.Where)
	}
	return line
}
