package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"highwater.dev/broker/wire"
)

func versionCommand(host Host) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "The version of this program and the Kafka APIs it serves",
		Args:  cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(host.Stdout, "highwater %s, %s, %s/%s\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			fmt.Fprintln(host.Stdout, "Kafka APIs served (key, name, versions):")
			for _, v := range wire.Advertised() {
				fmt.Fprintf(host.Stdout, "  %3d  %-24s %d to %d\n", v.Key, v.Name, v.Min, v.Max)
			}
		},
	}
}

// buildVersion is the module's version, or the commit that was built.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	version, modified := info.Main.Version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && (version == "" || version == "(devel)"):
			version = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	return version + modified
}
