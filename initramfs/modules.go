package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/freshroot/freshroot/pkg/cmdline"
	"github.com/freshroot/freshroot/pkg/device"
	"github.com/freshroot/freshroot/pkg/kmod"
)

// moduleDir holds the modules of the initramfs and the table that describes them.
const moduleDir = "/modules"

// modules loads kernel modules, each once. It is safe for concurrent use: the file
// system's module is loaded beside those of the hardware.
type modules struct {
	table  *kmod.Table // nil in an initramfs without modules
	params cmdline.Params
	log    *kmsg

	mu   sync.Mutex
	once map[string]func() error
	done []timed
}

// openModules reads the table. An initramfs without one is for a kernel that has
// all it needs built in.
func openModules(params cmdline.Params, log *kmsg) (*modules, error) {
	m := &modules{params: params, log: log, once: map[string]func() error{}}
	text, err := os.ReadFile(moduleDir + "/table")
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	} else if err != nil {
		return m, err
	}
	m.table, err = kmod.ParseTable(text)
	return m, err
}

// serve loads the modules for an alias, such as that of a device, with all that may
// be of use to them.
func (m *modules) serve(alias string) { m.loadFor(alias, (*kmod.Table).Order) }

// require loads the modules for an alias, with what they cannot do without.
func (m *modules) require(alias string) { m.loadFor(alias, (*kmod.Table).Required) }

// loadFor loads the modules for an alias. A module that does not load is not an end:
// the hardware may do without, and if not, the disk will be missed.
func (m *modules) loadFor(alias string, order func(*kmod.Table, string) []string) {
	if m.table == nil {
		return
	}
	for _, name := range m.table.Lookup(alias) {
		for _, needed := range order(m.table, name) {
			if err := m.load(needed); err != nil {
				m.log.debug(err.Error())
			}
		}
	}
}

// load loads one module, or waits for it if it is under way.
func (m *modules) load(name string) error {
	m.mu.Lock()
	once, ok := m.once[name]
	if !ok {
		once = sync.OnceValue(func() error { return m.insert(name) })
		m.once[name] = once
	}
	m.mu.Unlock()
	return once()
}

func (m *modules) insert(name string) error {
	var took []timed
	stop := timer(name, &took)
	err := device.LoadModule(moduleDir+"/"+name+".ko", m.params.Module(name))
	stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = append(m.done, took...)
	return err
}

// underWay returns the modules whose loading has not come to an end, sorted.
func (m *modules) underWay() (names []string) {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.once {
		isThis := func(t timed) bool { return t.name == name }
		if !slices.ContainsFunc(m.done, isThis) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// loaded returns what was loaded so far.
func (m *modules) loaded() []timed {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]timed{}, m.done...)
}
