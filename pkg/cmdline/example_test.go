package cmdline_test

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/cmdline"
)

func ExampleParse() {
	params := cmdline.Parse(`quiet volatile=no systemd.hostname="kiosk 7" volatile=yes -- single`)
	mode, _ := params.Last("volatile", "systemd.volatile")
	name, _ := params.Last("systemd.hostname")
	_, ours := params.Last("single")
	fmt.Println(mode.Value, name.Value, ours)
	// Output: yes kiosk 7 false
}
