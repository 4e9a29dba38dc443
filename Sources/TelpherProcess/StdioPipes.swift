internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// The pipes or the terminal of a launch: the child's three descriptors and our ends. `deinit` closes the child's
/// ends, and those of ours that were not taken.
package struct StdioPipes: ~Copyable {
  /// The descriptors that become 0, 1 and 2 in the child.
  package private(set) var child: (Int32, Int32, Int32) = (0, 1, 2)
  /// The child's end of each stream, if it was opened here; else -1.
  private var childEnds: InlineArray<3, Int32> = [-1, -1, -1]
  private var input: Int32?
  private var output: Int32?
  private var error: Int32?

  /// Creates the pipes or the terminal that `request` asks for. `null` is /dev/null, opened for reading and
  /// writing.
  ///
  /// - Throws: `SpawnError` of stage `resources` if descriptors ran out, or if the request connects
  ///   a stream in a way that is not possible.
  package init(_ request: SpawnRequest, null: Int32) throws(SpawnError) {
    if let size = request.terminal {
      try openTerminal(size)
    } else {
      try openPipes(request, null: null)
    }
  }

  private mutating func openPipes(_ request: SpawnRequest, null: Int32) throws(SpawnError) {
    switch request.input {
    case .null: child.0 = null
    case .inherit: break
    case .pipe:
      let pipe = try makePipe(ours: 1, of: 0)
      (child.0, input) = (pipe.child, pipe.ours)
    case .sameAsOutput: throw Self.refused("standard input can't be the same as standard output")
    }
    switch request.output {
    case .null: child.1 = null
    case .inherit: break
    case .pipe:
      let pipe = try makePipe(ours: 0, of: 1)
      (child.1, output) = (pipe.child, pipe.ours)
    case .sameAsOutput: throw Self.refused("standard output can't be the same as itself")
    }
    switch request.error {
    case .null: child.2 = null
    case .inherit: break
    case .pipe:
      let pipe = try makePipe(ours: 0, of: 2)
      (child.2, error) = (pipe.child, pipe.ours)
    case .sameAsOutput: child.2 = child.1
    }
  }

  deinit {
    for stream in childEnds.indices where childEnds[stream] >= 0 { close(childEnds[stream]) }
    if let input { close(input) }
    if let output { close(output) }
    if let error { close(error) }
  }

  /// Returns our ends. The caller closes them.
  package mutating func takeOurs() -> (input: Int32?, output: Int32?, error: Int32?) {
    defer { (input, output, error) = (nil, nil, nil) }
    return (input, output, error)
  }

  /// Opens a terminal for all three streams. We get two descriptors of its master side.
  private mutating func openTerminal(_ size: TerminalSize) throws(SpawnError) {
    do throws(ErrorNumber) {
      let (master, slave) = try TerminalMaster.open(size)
      childEnds[0] = slave
      child = (slave, slave, slave)
      output = master
      input = try TerminalMaster.duplicate(master)
    } catch {
      throw SpawnError(
        stage: .resources, errno: error.value,
        message: "cannot open a terminal: \(describe(errno: error.value))")
    }
  }

  /// Creates the pipe of a stream, by its descriptor in the child. We get the end of index `ours` (0
  /// reads, 1 writes), which is nonblocking; the child gets the other end.
  private mutating func makePipe(
    ours: Int, of stream: Int
  ) throws(SpawnError) -> (child: Int32, ours: Int32) {
    var ends: [Int32] = [-1, -1]
    let result = telpher_pipe(&ends)
    guard result >= 0 else {
      throw SpawnError(
        stage: .resources, errno: -result,
        message: "cannot create a pipe: \(describe(errno: -result))")
    }
    _ = telpher_set_nonblocking(ends[ours])
    childEnds[stream] = ends[1 - ours]
    return (ends[1 - ours], ends[ours])
  }

  private static func refused(_ message: String) -> SpawnError {
    SpawnError(stage: .resources, errno: EINVAL, message: message)
  }
}
