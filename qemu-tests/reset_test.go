package qemutests_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/freshroot/freshroot/pkg/reset"
	"github.com/freshroot/freshroot/pkg/vm"
	"github.com/freshroot/freshroot/qemu-tests/guest"
	"github.com/freshroot/freshroot/qemu-tests/image"
)

// resetRecord is what boot.json has of a reset.
type resetRecord struct {
	Scope, Undo, Trashed, Error string
	Why, Spared                 []string
	Done                        bool
}

func (r *report) reset(t *testing.T) *resetRecord {
	t.Helper()
	var boot struct{ Reset *resetRecord }
	if err := json.Unmarshal(r.BootJSON, &boot); err != nil {
		t.Fatal(err)
	}
	return boot.Reset
}

// inTop runs commands in the top level of the pool, from inside the guest.
func inTop(commands string) string {
	return "mount -t btrfs -o subvolid=5 /dev/vda1 /mnt && cd /mnt && " + commands
}

// checkMarkers compares what is left of earlier boots.
func checkMarkers(t *testing.T, about string, r *report, etc, variable guest.Marker) {
	t.Helper()
	want := map[string]guest.Marker{"/etc": etc, "/": etc, "/var": variable, "/var/lib": variable}
	got := map[string]guest.Marker{}
	for dir := range want {
		got[dir] = r.Markers[dir]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: markers (-want +got):\n%s", about, diff)
	}
}

// TestIntegrationReset throws /var away, brings it back, and throws all away, as the tool
// asks for from within the guest.
func TestIntegrationReset(t *testing.T) {
	t.Parallel()
	const kept, fresh = guest.MarkerKept, guest.MarkerNew
	m := newMachine(t, disk(t, pool(guest.Pool(withTool(t, "1.0")))))
	const id = "0123456789abcdef0123456789abcdef"
	s := m.start(guest.RunArg("echo " + id + " > /etc/machine-id; freshroot reset var --now-reboot"))
	s.expect("^the next boot of .* resets /var\n", "reboot: Restarting system")
	s.wait()

	r := m.boot("")
	checkMarkers(t, "reset of /var", r, kept, fresh)
	record := r.reset(t)
	if record == nil || !record.Done || record.Scope != "var" || record.Trashed == "" {
		t.Fatalf("boot.json has %+v", record)
	}

	checkMarkers(t, "without a reset", m.boot(guest.RunArg("freshroot reset --undo")), kept, kept)

	r = m.boot(guest.RunArg(inTop("ls .freshroot/requests | wc -l; freshroot reset > /dev/null")))
	if undone := r.reset(t); undone == nil || !undone.Done || undone.Undo != record.Trashed {
		t.Errorf("boot.json has %+v", undone)
	}
	if r.RunOutput != "0\n" || r.RunStatus != 0 {
		t.Errorf("requests that are left: %s, status %d", r.RunOutput, r.RunStatus)
	}
	checkMarkers(t, "undone", r, kept, kept)

	r = m.boot(guest.RunArg(inTop("cat /etc/machine-id; ls .freshroot/requests | wc -l; ls .freshroot/trash | wc -l")))
	checkMarkers(t, "reset of all", r, fresh, fresh)
	if diff := cmp.Diff(id+"\n0\n2\n", r.RunOutput); diff != "" {
		t.Errorf("machine-id, requests and trash (-want +got):\n%s", diff)
	}
}

// TestIntegrationResetVolatile resets the instance where the root does not show it, and
// has one that cannot be reset.
func TestIntegrationResetVolatile(t *testing.T) {
	t.Parallel()
	m := busyboxMachine(t)
	m.boot("")
	r := m.boot("volatile=yes freshroot.reset=all " + guest.RunArg("grep -c subvolid=5 /proc/mounts"))
	if record := r.reset(t); record == nil || !record.Done {
		t.Errorf("boot.json has %+v", record)
	}
	checkMarkers(t, "after volatile=yes", m.boot(guest.RunArg(inTop(
		"mv .freshroot/trash .freshroot/old; ln -s /tmp .freshroot/trash"))), guest.MarkerNew, guest.MarkerNew)

	r = m.boot("freshroot.reset=all")
	checkMarkers(t, "one that fails", r, guest.MarkerKept, guest.MarkerKept)
	if record := r.reset(t); record == nil || record.Done || record.Error == "" {
		t.Errorf("boot.json has %+v", record)
	}
	if !r.warned("THE RESET OR UNDO WAS NOT DONE: reset all of .*too many levels of symbolic links") {
		t.Errorf("warnings: %q", r.boot.Warnings)
	}
}

// TestIntegrationHome mounts homes where /home is persistent.
func TestIntegrationHome(t *testing.T) {
	t.Parallel()
	populate := guest.Pool(master(t, "1.0", nil))
	m := newMachine(t, disk(t, pool(func(top string) error {
		home := filepath.Join(top, "home:ada:1000:1000")
		return errors.Join(populate(top), image.Subvolume(home), os.Chown(home, 1000, 1000),
			os.WriteFile(home+"/file", []byte("ada's\n"), 0o644),
			os.Mkdir(filepath.Join(top, "home:bob:1001:1001"), 0o755))
	})))
	for options, want := range map[string]string{
		"volatile=no": "btrfs /home:ada:1000:1000", "volatile=state": "btrfs /home:ada:1000:1000",
		"volatile=yes": "", "freshroot.home=none": "",
	} {
		r := m.boot(options + " " + guest.RunArg("cat /home/ada/file"))
		if got := mounted(r, "/home/ada"); got != want {
			t.Errorf("%s: /home/ada is %q, want %q", options, got, want)
		}
		if want != "" && r.RunOutput != "ada's\n" {
			t.Errorf("%s: %s", options, r.RunOutput)
		}
		if want != "" && !r.warned("mount home:bob:1001:1001 on /home/bob: it is no subvolume") {
			t.Errorf("%s: warnings: %q", options, r.boot.Warnings)
		}
		if r.boot.Mode == "no" {
			checkTop(t, r)
		}
	}
}

// TestIntegrationResetFirmware asks for the reset as systemd 257 does, by a variable of
// the firmware, which is gone afterwards.
func TestIntegrationResetFirmware(t *testing.T) {
	t.Parallel()
	needRoot(t)
	firmware, err := vm.OVMF(t.TempDir())
	if err != nil && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	m := busyboxMachine(t)
	m.Firmware = firmware
	m.Initramfs = everywhere.get(t).Output
	const variables = "mount -t efivarfs efivarfs /sys/firmware/efi/efivars && cd /sys/firmware/efi/efivars && "
	r := m.boot(guest.RunArg(variables + `printf '\007\000\000\000y\000e\000s\000' > /tmp/value && cat /tmp/value > ` +
		reset.FactoryReset))
	if r.RunStatus != 0 {
		t.Fatalf("set the variable: %s", r.RunOutput)
	}
	r = m.boot(guest.RunArg(variables + "ls | grep -c FactoryReset; " + inTop("ls .freshroot/requests | wc -l")))
	checkMarkers(t, "reset by the firmware", r, guest.MarkerNew, guest.MarkerNew)
	if record := r.reset(t); record == nil || !record.Done || cmp.Diff([]string{"the firmware"}, record.Why) != "" {
		t.Errorf("boot.json has %+v", record)
	}
	if r.RunOutput != "0\n0\n" || len(r.boot.Warnings) > 0 {
		t.Errorf("variables and requests that are left: %s; warnings: %q", r.RunOutput, r.boot.Warnings)
	}
}

// TestIntegrationResetPowercut cuts the power before the reset, and when it is done but
// not yet forgotten. Either way it comes to its end at the next boot, and what it brings
// back is what was used.
func TestIntegrationResetPowercut(t *testing.T) {
	for _, event := range []string{"freshroot: booting ", "freshroot: reset all of "} {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			m := busyboxMachine(t)
			requests := "mkdir -p .freshroot/requests; cd .freshroot/requests; "
			m.boot(guest.RunArg(inTop("touch /etc/mine /var/mine; " + requests +
				"echo reset all > " + instance + "; sync")))
			s := m.start("")
			s.expect(event)
			s.vm.Powercut()

			r := m.boot(guest.RunArg(inTop("ls /etc/mine /var/mine 2>/dev/null; ls .freshroot/requests .freshroot/staging; " +
				"ls .freshroot/trash | wc -l; " + requests + "echo undo $(ls ../trash) > " + instance)))
			if diff := cmp.Diff(".freshroot/requests:\n\n.freshroot/staging:\n1\n", r.RunOutput); diff != "" {
				t.Errorf("after the cut (-want +got):\n%s", diff)
			}
			r = m.boot(guest.RunArg("ls -1 /etc/mine /var/mine"))
			if diff := cmp.Diff("/etc/mine\n/var/mine\n", r.RunOutput); diff != "" {
				t.Errorf("after the undo (-want +got):\n%s", diff)
			}
		})
	}
}
