package main

import (
	"os"
	"runtime/pprof"
	"time"
)

func init() {
	if p := os.Getenv("TMP_PROFILE"); p != "" {
		go func() {
			time.Sleep(4 * time.Second)
			f, _ := os.Create(p)
			pprof.StartCPUProfile(f)
			time.Sleep(8 * time.Second)
			pprof.StopCPUProfile()
			f.Close()
		}()
	}
}
