//go:build !linux

package peer

import "syscall"

// dieWithParent changes nothing where the kernel knows no parent-death signal.
func dieWithParent() *syscall.SysProcAttr { return nil }
