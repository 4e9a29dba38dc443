import Glibc
import TelpherTestSupport
import Testing

/// Random trees there and back by the program itself: names of any bytes, holes, links, empty
/// folders, over a Unix socket, TCP, and the standard input and output that ssh would bring.
@Suite(
  .timeLimit(.minutes(10)),
  .enabled(if: access("/usr/bin/python3", X_OK) == 0, "Python 3 is not installed"))
struct RandomTreesTests {
  private static let program =
    #filePath.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
    + "/Programs/random_trees.py"

  @Test(arguments: [SystemBackend.uv, .nio])
  func treesComeBackAsTheyWere(_ backend: SystemBackend) {
    let count = Scale.pick(fast: 2, full: 34)
    let seed = UInt32.random(in: 0 ... .max)
    let output = LocalShell.output(
      of: "/usr/bin/python3 '\(Self.program)' '\(backend.program)' \(count) \(seed) 2>&1")
    #expect(
      String(decoding: output, as: UTF8.self) == "\(3 * count) trees came back as they were\n",
      "seed \(seed)")
  }
}
