// Gen writes the generated files of package ec2api from the model kept in its
// directory and from operations.txt. With -refresh it first replaces that
// model by a newer one as AWS publishes it.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

const modelFile = "model/ec2-2016-11-15.json"

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	dir := flag.String("dir", ".", "directory of package ec2api")
	refresh := flag.String("refresh", "", "published model `file` to take over before generating")
	flag.Parse()
	if err := run(*dir, *refresh); err != nil {
		log.Fatal(err)
	}
}

func run(dir, refresh string) error {
	if refresh != "" {
		if err := refreshModel(filepath.Join(dir, modelFile), refresh); err != nil {
			return err
		}
	}
	files, err := generate(os.DirFS(dir))
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// refreshModel writes the compact form of the published model.
func refreshModel(dst, published string) error {
	data, err := os.ReadFile(published)
	if err != nil {
		return err
	}
	m, err := parseModel(data)
	if err != nil {
		return fmt.Errorf("%s: %w", published, err)
	}
	compact, err := m.compact()
	if err != nil {
		return err
	}
	return os.WriteFile(dst, compact, 0o666)
}
