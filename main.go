// Command highwater is a Kafka broker and the tools around it. `highwater help` lists what it can do.
package main

import (
	"os"

	"highwater.dev/workbook/cli"
)

func main() { os.Exit(cli.Run(os.Args[1:], cli.System())) }
