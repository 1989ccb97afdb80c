package main

import (
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

// Priorities of syslog(2), as the kernel's log has them.
const (
	levelError = 3
	levelWarn  = 4
	levelInfo  = 6
	levelDebug = 7
)

// maxRecord is the longest text the kernel takes in one record of its log
// (PRINTKRB_RECORD_MAX, less what it puts in front).
const maxRecord = 960

// rateLimit is the kernel's limit on what processes may log: ten records in five
// seconds, fewer than a failure screen has.
const rateLimit = "/proc/sys/kernel/printk_devkmsg"

// kmsg writes to the kernel's log, which shows on all consoles what their log level
// lets through, and from which the journal of the OS takes it over.
type kmsg struct {
	file *os.File
	// shift is added to the priority of what freshroot.log= wants to see less, or
	// more, than the kernel's own messages.
	shift   map[int]int
	limited bool
}

// open starts logging. Without /dev/kmsg nothing is logged, and the boot goes on.
func (k *kmsg) open(level string, params cmdline.Params) {
	switch level {
	case "error":
		k.shift = map[int]int{levelWarn: levelDebug, levelInfo: levelDebug}
	case "debug":
		k.shift = map[int]int{levelDebug: levelInfo}
	}
	if _, set := params.Last("printk.devkmsg"); !set {
		k.limited = os.WriteFile(rateLimit, []byte("on\n"), 0) == nil
	}
	k.file, _ = os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
}

// close gives the kernel its rate limit back.
func (k *kmsg) close() {
	if k.limited {
		_ = os.WriteFile(rateLimit, []byte("ratelimit\n"), 0)
	}
	k.file.Close()
}

func (k *kmsg) error(text string) { k.write(levelError, text) }
func (k *kmsg) warn(text string)  { k.write(levelWarn, text) }
func (k *kmsg) info(text string)  { k.write(levelInfo, text) }
func (k *kmsg) debug(text string) { k.write(levelDebug, text) }

// write logs one record. A name from a disk may hold anything, so what is not
// printable is replaced.
func (k *kmsg) write(level int, text string) {
	if shifted, ok := k.shift[level]; ok {
		level = shifted
	}
	text = strings.Map(printable, text)
	if len(text) > maxRecord {
		text = text[:maxRecord] + "..."
	}
	_, _ = k.file.WriteString("<" + strconv.Itoa(level) + ">freshroot: " + text + "\n")
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == utf8.RuneError {
		return '?'
	}
	return r
}
