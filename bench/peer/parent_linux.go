package peer

import "syscall"

// dieWithParent has the kernel kill the child when the thread that started it ends, also when this process is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
