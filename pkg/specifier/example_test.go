package specifier_test

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/specifier"
)

func ExampleExpand() {
	lookup := func(letter byte) (string, error) {
		if letter == 'H' {
			return "kiosk-7", nil
		}
		return "", specifier.ErrUnknown
	}
	fmt.Println(specifier.Expand("/var/lib/%H is 100%%", lookup))
	// Output: /var/lib/kiosk-7 is 100% <nil>
}
