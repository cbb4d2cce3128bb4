// Renders the templates of a chart as Helm does, with the functions that this chart uses. For the lint only: Helm itself is in none of the
// package registries that the lint may use. Arguments: chart folder, top-level values as JSON. Lists come out as JSON, which is YAML.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

func main() {
	chart := os.Args[1]
	var top map[string]any
	input, err := os.ReadFile(os.Args[2])
	check(err)
	decoder := json.NewDecoder(bytes.NewReader(input))
	// Whole numbers stay whole.
	decoder.UseNumber()
	check(decoder.Decode(&top))

	all := template.New("chart")
	indent := func(by int, value any) string {
		pad := strings.Repeat(" ", by)
		return pad + strings.ReplaceAll(text(value), "\n", "\n"+pad)
	}
	all.Funcs(template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var out bytes.Buffer
			err := all.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
		"toYaml": func(value any) (string, error) {
			fields, ok := value.(map[string]any)
			if !ok || len(fields) == 0 {
				encoded, err := json.Marshal(value)
				return string(encoded), err
			}
			// A line for each key: a template may go on below them.
			lines := []string{}
			for key, field := range fields {
				encoded, err := json.Marshal(field)
				if err != nil {
					return "", err
				}
				lines = append(lines, fmt.Sprintf("%q: %s", key, encoded))
			}
			sort.Strings(lines)
			return strings.Join(lines, "\n"), nil
		},
		"indent":     indent,
		"nindent":    func(by int, value any) string { return "\n" + indent(by, value) },
		"quote":      func(value any) string { encoded, _ := json.Marshal(text(value)); return string(encoded) },
		"trunc":      func(length int, value string) string { return value[:min(length, len(value))] },
		"trimSuffix": func(suffix, value string) string { return strings.TrimSuffix(value, suffix) },
		"sha256sum":  func(value string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(value))) },
		"join": func(separator string, values []any) string {
			parts := []string{}
			for _, value := range values {
				parts = append(parts, text(value))
			}
			return strings.Join(parts, separator)
		},
	})
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	check(err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		check(err)
		_, err = all.New(filepath.Base(file)).Parse(string(source))
		check(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") {
			continue
		}
		var out bytes.Buffer
		check(all.ExecuteTemplate(&out, name, top))
		// NOTES.txt must render too, and is no YAML.
		if strings.HasSuffix(name, ".yaml") {
			fmt.Printf("---\n# %s\n%s\n", name, out.String())
		}
	}
}
