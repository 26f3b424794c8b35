// Porcupine judges histories of one register by somebody else's checker of linearizability.
//
// It reads one history a line (JSON) and answers each with a line: true if some order explains it, else false.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"math"
	"os"

	"github.com/anishathalye/porcupine"
)

const longestHistory = 64 << 20

// A history begins with a register that holds First. Times are in nanoseconds. A call without an end may never have ended.
type history struct {
	First string
	Calls []struct {
		Writes bool
		Value  string
		Began  int64
		Ended  *int64
	}
}

type input struct {
	writes bool
	value  string
}

func model(first string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return first },
		Step: func(state, asked, answered any) (bool, any) {
			call := asked.(input)
			if call.writes {
				return true, call.value
			}
			return answered.(string) == state.(string), state
		},
	}
}

func explained(of history) bool {
	var calls []porcupine.Operation
	for number, each := range of.Calls {
		ended := int64(math.MaxInt64)
		if each.Ended != nil {
			ended = *each.Ended
		}
		calls = append(calls, porcupine.Operation{
			ClientId: number,
			Input:    input{each.Writes, each.Value},
			Call:     each.Began,
			Output:   each.Value,
			Return:   ended,
		})
	}
	return porcupine.CheckOperations(model(of.First), calls)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestHistory)
	for lines.Scan() {
		var asked history
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		fmt.Println(explained(asked))
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}
