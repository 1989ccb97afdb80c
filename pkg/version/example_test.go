package version_test

import (
	"fmt"
	"slices"

	"github.com/freshroot/freshroot/pkg/version"
)

func ExampleCompare() {
	versions := []string{"12.10", "12.9", "12.9~rc1", "12.9-1", "12.9^20250101"}
	slices.SortFunc(versions, version.Compare)
	fmt.Println(versions)
	// Output: [12.9~rc1 12.9 12.9-1 12.9^20250101 12.10]
}
