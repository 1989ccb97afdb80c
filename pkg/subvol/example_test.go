package subvol_test

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/subvol"
)

func ExampleParse() {
	m, err := subvol.Parse("usr:org.example.kiosk:x86-64:12.4+2-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Kind, m.Vendor, m.Version, "tries left:", m.Tries.Left)
	m.Tries = m.Tries.Next() // which the init does before it boots
	fmt.Println(m)
	// Output:
	// usr org.example.kiosk 12.4 tries left: 2
	// usr:org.example.kiosk:x86-64:12.4+1-2
}
