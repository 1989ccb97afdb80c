package bls_test

import (
	"fmt"

	"github.com/freshroot/freshroot/pkg/bls"
)

func ExampleParseName() {
	name, err := bls.ParseName("org.example.kiosk-12.4+2-1.conf")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(name.ID, name.Tries.Left, name.Tries.Done)
	// Output: org.example.kiosk-12.4 2 1
}

func ExampleEntry_Format() {
	e := bls.Entry{
		Title: "Kiosk 12.4", Version: "12.4",
		Linux: "/freshroot/org.example.kiosk/12.4/linux", Options: "quiet freshroot.usr=org.example.kiosk:12.4",
	}
	fmt.Printf("%s", e.Format())
	// Output:
	// title        Kiosk 12.4
	// version      12.4
	// linux        /freshroot/org.example.kiosk/12.4/linux
	// options      quiet freshroot.usr=org.example.kiosk:12.4
}
