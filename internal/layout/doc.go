// Package layout holds the shape of the repository: its tests fail when an inner ring
// imports an outer one, when the init links what it must not, or when a function or a
// file grows beyond what can be read at once. It has no code.
package layout
