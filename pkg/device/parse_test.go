package device

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEvent(t *testing.T) {
	const message = "add@/devices/pci0000:00/0000:00:02.0/virtio0/block/vda/vda1\x00ACTION=add\x00" +
		"DEVPATH=/devices/x\x00SUBSYSTEM=block\x00MAJOR=254\x00DEVNAME=vda1\x00DEVTYPE=partition\x00SEQNUM=1\x00"
	want := Event{Action: "add", Subsystem: "block", DevType: "partition", DevName: "vda1"}
	if diff := cmp.Diff(want, parseEvent(message)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const device = "add@/d\x00ACTION=add\x00MODALIAS=pci:v00001AF4d00001001sv=\x00"
	want = Event{Action: "add", Modalias: "pci:v00001AF4d00001001sv="}
	if diff := cmp.Diff(want, parseEvent(device)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseEvent(f *testing.F) {
	f.Add("add@/d\x00ACTION=add\x00MODALIAS=a=b\x00")
	f.Fuzz(func(t *testing.T, message string) {
		e := parseEvent(message)
		if len(e.Action)+len(e.Modalias)+len(e.DevName) > len(message) {
			t.Errorf("%q makes %+v", message, e)
		}
	})
}

func TestPartitionName(t *testing.T) {
	for _, tc := range []struct {
		disk   string
		number int
		want   string
	}{
		{"sda", 1, "sda1"}, {"vda", 128, "vda128"}, {"nvme0n1", 2, "nvme0n1p2"}, {"mmcblk0", 1, "mmcblk0p1"},
		{"/dev/vdb", 0, "/dev/vdb"}, {"disk.img", 3, "disk.img3"},
	} {
		if got := PartitionName(tc.disk, tc.number); got != tc.want {
			t.Errorf("PartitionName(%q, %d) = %q, want %q", tc.disk, tc.number, got, tc.want)
		}
	}
}

func TestIsDisk(t *testing.T) {
	for name, want := range map[string]bool{
		"sda": true, "vda1": true, "nvme0n1": true, "mmcblk0": true, "xvda": true,
		"": false, "loop0": false, "ram1": false, "zram0": false, "dm-0": false, "md127": false, "sr0": false,
	} {
		if got := IsDisk(name); got != want {
			t.Errorf("IsDisk(%q) = %v", name, got)
		}
	}
}

func TestParseText(t *testing.T) {
	for raw, want := range map[string]string{
		"\x06\x00\x00\x00A\x00b\x00-\x001\x00\x00\x00": "Ab-1",
		"\x06\x00\x00\x00A\x00b":                       "A",
		"":                                             "",
		"\x06\x00":                                     "",
	} {
		if got := parseText([]byte(raw)); got != want {
			t.Errorf("parseText(%q) = %q, want %q", raw, got, want)
		}
	}
}
