package keep_test

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/keep"
)

func ExampleRules_Survives() {
	rules, problems := keep.Parse("kiosk.conf", `
/var/lib/app/       update reset
!/var/lib/app/cache reset
`)
	fmt.Println(problems)
	for _, path := range []string{"/var/lib/app/db", "/var/lib/app/cache/1", "/var/log/app"} {
		survives, _ := rules.Survives(path, keep.Reset)
		fmt.Println(path, survives)
	}
	// Output:
	// []
	// /var/lib/app/db true
	// /var/lib/app/cache/1 false
	// /var/log/app false
}
