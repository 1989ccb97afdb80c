package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/freshroot/freshroot/pkg/archive"
	"github.com/freshroot/freshroot/pkg/gpt"
	"github.com/freshroot/freshroot/pkg/subvol"
)

// The shell asks the tool what may come next (freshroot completion). Who may not read
// the pool gets no names from it: a prompt is no place for an error.

// addCompletion tells the commands below root what their arguments and the values of
// their flags may be. What is not in the tables is a file.
func addCompletion(root *cobra.Command) {
	for path, complete := range map[string]cobra.CompletionFunc{
		"mark-bad":    onlyOne(versions),
		"log show":    onlyOne(versions),
		"root clone":  onlyOne(instances),
		"root rename": onlyOne(instances),
		"root create": cobra.NoFileCompletions,
		"root delete": several(instances),
		"home create": cobra.NoFileCompletions,
		"home delete": several(homeUsers),
	} {
		find(root, path).ValidArgsFunction = complete
	}
	for path, flags := range map[string]map[string]cobra.CompletionFunc{
		"plan":            {"arch": several(architectures), "cmdline": cobra.NoFileCompletions},
		"image inspect":   {"arch": several(architectures)},
		"etc merge":       {"arch": several(architectures), "cmdline": cobra.NoFileCompletions},
		"reset":           {"instance": several(instances)},
		"root create":     {"usr": several(versions)},
		"initramfs build": {"compress": several(compressions)},
	} {
		c := find(root, path)
		for flag, complete := range flags {
			// It would fail for a flag that there is not: TestComplete asks for each.
			_ = c.RegisterFlagCompletionFunc(flag, complete)
		}
	}
}

// find returns the command that a path of names leads to. The paths are those above.
func find(root *cobra.Command, path string) *cobra.Command {
	c, _, _ := root.Find(strings.Fields(path))
	return c
}

// names are what may be completed, for a command whose flags were read.
type names func(c *cobra.Command) []string

// onlyOne completes the first argument.
func onlyOne(known names) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return known(c), cobra.ShellCompDirectiveNoFileComp
	}
}

// several completes with what was not given yet.
func several(known names) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		left := slices.DeleteFunc(known(c), func(n string) bool { return slices.Contains(args, n) })
		return left, cobra.ShellCompDirectiveNoFileComp
	}
}

func architectures(*cobra.Command) []string { return gpt.Architectures() }

func compressions(*cobra.Command) []string {
	return []string{string(archive.Zstd), string(archive.Zstd19), string(archive.None)}
}

func versions(c *cobra.Command) []string { return membersOf(c, subvol.Usr) }

func instances(c *cobra.Command) []string { return membersOf(c, subvol.Root) }

func homeUsers(c *cobra.Command) []string { return membersOf(c, subvol.Home) }

// membersOf lists the members of a kind by what people call them: versions by their
// number, others by their name; of two that are called alike, each by its full name. The
// pool is that of --pool, where the command has it.
func membersOf(c *cobra.Command, kind subvol.Kind) (list []string) {
	o := memberOptions{readOnly: true}
	if flag := c.Flags().Lookup("pool"); flag != nil {
		o.pool = flag.Value.String()
	}
	_ = o.with(func(m *openedPool) error {
		list = callNames(m.of(kind))
		return nil
	})
	return list
}

// callNames is what each of some members can be called without doubt.
func callNames(members []member) (list []string) {
	call := func(m member) string {
		if m.Kind == subvol.Usr {
			return m.Version
		}
		return m.Name
	}
	count := map[string]int{}
	for _, m := range members {
		count[call(m)]++
	}
	for _, m := range members {
		if count[call(m)] > 1 {
			list = append(list, m.entry)
		} else {
			list = append(list, call(m))
		}
	}
	return list
}
