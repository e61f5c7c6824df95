// Command 01-segment-log is chapter 01's stage.
package main

func main() {}
