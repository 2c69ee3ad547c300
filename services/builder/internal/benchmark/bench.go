// Package benchmark measures what an image costs where it is not yet: fetching it from a region's registry, unpacking it, starting it, and waiting for its first healthy answer.
// All of it happens on the builder's machine; only the registry is the region's.
package benchmark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/pkg/archive"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/leeward-failover/leeward/pkg/oci"
	"github.com/leeward-failover/leeward/schemas"
)

// Target is an image to measure from a region's registry.
type Target struct {
	App string
	schemas.Candidate
	Digest string
	// Registry is the region's, as a base URL, and Repository the app's, the same in every region.
	Registry, Repository string
}

// Bench measures one image at a time, in a folder that it empties again.
type Bench struct {
	Folder string
	// Runc is the program that starts containers; without it the phases end with the unpacked image.
	Runc string
	// Limit bounds the bytes that an image may take in the folder, fetched and unpacked.
	Limit uint64
	// Patience is how long a container may take to its first healthy answer.
	Patience time.Duration
}

// Measure brings an image from nothing to its first healthy answer, and then, if it came so far, once more from the image that is there.
// A row whose phase failed says why. An error is that something was left behind.
func (b Bench) Measure(ctx context.Context, target Target) (rows []schemas.ImageBenchmark, err error) {
	defer func() { err = errors.Join(err, b.Sweep(context.WithoutCancel(ctx))) }()
	row := schemas.ImageBenchmark{Candidate: target.Candidate, Digest: target.Digest}
	cold := row
	cold.Cold = true
	image, failed := b.fetch(ctx, target, &cold)
	if failed == nil {
		failed = b.serve(ctx, image, &cold)
	}
	rows = append(rows, ended(cold, failed))
	if failed == nil {
		warm := row
		warm.SizeBytes, warm.Layers, warm.WastedBytes = cold.SizeBytes, cold.Layers, cold.WastedBytes
		rows = append(rows, ended(warm, b.again(ctx, target, image, &warm)))
	}
	return rows, nil
}

func ended(row schemas.ImageBenchmark, failed error) schemas.ImageBenchmark {
	row.At = time.Now().UTC()
	if failed != nil {
		row.Error = failed.Error()
	}
	return row
}

// fetch pulls and unpacks an image. What the image holds is read in between, so that it costs no phase anything.
func (b Bench) fetch(ctx context.Context, target Target, row *schemas.ImageBenchmark) (image v1.Image, err error) {
	repo, err := oci.Repository(target.Registry, target.Repository)
	if err != nil {
		return nil, err
	}
	err = timed(&row.PullUS, func() error {
		image, err = oci.Download(ctx, repo, target.Digest, b.path("image"), b.Limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	weight, err := oci.Weigh(image)
	if err != nil {
		return nil, err
	}
	row.SizeBytes, row.Layers = weight.SizeBytes, uint32(len(weight.Layers))
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	content, err := Read(layers)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", target.Digest, err)
	}
	row.WastedBytes = content.WastedBytes
	if all := weight.SizeBytes + content.Bytes; all > b.Limit {
		return nil, fmt.Errorf("%w: %d bytes with its layers unpacked, at most %d allowed", oci.ErrTooLarge, all, b.Limit)
	}
	return image, timed(&row.UnpackUS, func() error { return unpack(ctx, layers, b.rootfs()) })
}

// again is a run where the image is: the registry is only asked whether the digest is still there, and the container's files are those the first one left.
func (b Bench) again(ctx context.Context, target Target, image v1.Image, row *schemas.ImageBenchmark) error {
	repo, err := oci.Repository(target.Registry, target.Repository)
	if err != nil {
		return err
	}
	if err := timed(&row.PullUS, func() error { return oci.Holds(ctx, repo, target.Digest) }); err != nil {
		return err
	}
	return b.serve(ctx, image, row)
}

// serve starts the unpacked image, waits for its first healthy answer and ends it.
func (b Bench) serve(ctx context.Context, image v1.Image, row *schemas.ImageBenchmark) (err error) {
	if b.Runc == "" {
		return errors.New("not started: there is no runc on the builder's machine, or the builder is not root")
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	check, err := healthOf(file.Config)
	if err != nil {
		return err
	}
	c := &container{runc: b.Runc, root: b.path("runc"), bundle: b.path("bundle")}
	if err := c.prepare(ctx, file.Config, check); err != nil {
		return fmt.Errorf("prepare the container: %w", err)
	}
	defer func() { err = errors.Join(err, c.stop(context.WithoutCancel(ctx))) }()
	if err := timed(&row.StartUS, func() error { return c.start(ctx) }); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.Patience)
	defer cancel()
	return timed(&row.HealthyUS, func() error { return c.healthy(ctx, check) })
}

// unpack writes the layers over each other, the lowest first.
func unpack(ctx context.Context, layers []v1.Layer, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	var options []archive.ApplyOpt
	if os.Geteuid() != 0 {
		options = append(options, archive.WithNoSameOwner())
	}
	for i, layer := range layers {
		if err := unpackOne(ctx, layer, folder, options); err != nil {
			return fmt.Errorf("unpack layer %d: %w", i+1, err)
		}
	}
	return nil
}

func unpackOne(ctx context.Context, layer v1.Layer, folder string, options []archive.ApplyOpt) error {
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	_, err = archive.Apply(ctx, folder, content, options...)
	return errors.Join(err, content.Close())
}

// timed stores how long something took, in microseconds, unless it failed.
func timed(us *uint64, do func() error) error {
	began := time.Now()
	err := do()
	if err == nil {
		*us = uint64(max(time.Since(began).Microseconds(), 1))
	}
	return err
}

// Sweep ends what a benchmark left running, also one of a builder that was killed, and empties the folder.
func (b Bench) Sweep(ctx context.Context) error {
	var problems []error
	if b.Runc != "" {
		problems = append(problems, sweep(ctx, b.Runc, b.path("runc")))
	}
	for _, folder := range []string{"image", "bundle", "runc"} {
		problems = append(problems, os.RemoveAll(b.path(folder)))
	}
	return errors.Join(problems...)
}

func (b Bench) path(name string) string { return filepath.Join(b.Folder, name) }

func (b Bench) rootfs() string { return filepath.Join(b.path("bundle"), "rootfs") }
