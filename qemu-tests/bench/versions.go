package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// packages are those whose versions belong to the numbers.
var packages = []string{"qemu-system-x86", "busybox-static", "btrfs-progs", "coreutils",
	"gcc", "initramfs-tools-core", "dracut-core", "zstd"}

// describe prints what was measured on, and with what.
func describe(ctx context.Context, l *lab, w io.Writer) error {
	cpu, err := cpuModel()
	if err != nil {
		return err
	}
	versions := []string{"linux " + l.kernel.Release, "go " + strings.TrimPrefix(runtime.Version(), "go")}
	for _, name := range packages {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", name).Output()
		if err != nil {
			continue // not installed: then it takes no part
		}
		versions = append(versions, name+" "+string(out))
	}
	_, err = fmt.Fprintf(w, "%s, %d CPUs (%s), QEMU's TCG, median of %d (V) or %d (R) boots; %s.\n\n",
		time.Now().Format(time.DateOnly), runtime.NumCPU(), cpu,
		l.repeats.virtual, l.repeats.real, strings.Join(versions, ", "))
	return err
}

// cpuModel returns what the host's first CPU is called.
func cpuModel() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value), nil
		}
	}
	return "unknown", nil
}
