internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The strings of a launch as execve(2) takes them, in one piece of memory: the arguments, the
/// environment, and each file that may be the program. The child can't allocate, so the search along
/// PATH is spelled out here.
struct LaunchImage: ~Copyable {
  /// Where execvp(3) looks when the child's environment has no PATH.
  static let defaultPath = "/bin:/usr/bin"

  private let memory: UnsafeMutableRawPointer
  private let environmentStart: Int
  private let candidatesStart: Int

  /// The strings of `request`, with `mark` added to the environment.
  ///
  /// - Throws: `SpawnError` where a string can't be passed on: no arguments, a NUL byte, or a
  ///   variable's name that is empty or has a `=`.
  init(_ request: SpawnRequest, mark: String? = nil) throws(SpawnError) {
    self.init(packing: try Self.strings(of: request, mark: mark))
  }

  /// The arguments, the environment and the candidates of `request`, checked.
  private static func strings(
    of request: SpawnRequest, mark: String?
  ) throws(SpawnError) -> [[String]] {
    guard let program = request.arguments.first else { throw Self.refused("no program was named") }
    var environment: [String] = []
    environment.reserveCapacity(request.environment.count + 1)
    if let mark { environment.append("\(ProcessTree.markName)=\(mark)") }
    for (name, value) in request.environment where mark == nil || name != ProcessTree.markName {
      guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")) else {
        throw Self.refused("'\(name)' can't name an environment variable")
      }
      environment.append("\(name)=\(value)")
    }
    for string in request.arguments where string.utf8.contains(0) {
      throw Self.refused("an argument has a NUL byte")
    }
    for string in environment where string.utf8.contains(0) {
      throw Self.refused("an environment variable has a NUL byte")
    }
    return [
      request.arguments, environment, candidates(for: program, path: request.environment["PATH"]),
    ]
  }

  private init(packing lists: [[String]]) {
    var slots = 0
    var bytes = 0
    for list in lists {
      slots += list.count + 1
      for string in list { bytes += string.utf8.count + 1 }
    }
    let pointerBytes = slots * MemoryLayout<UnsafeMutablePointer<CChar>?>.stride
    memory = .allocate(byteCount: pointerBytes + bytes, alignment: 16)
    environmentStart = lists[0].count + 1
    candidatesStart = environmentStart + lists[1].count + 1

    let pointers = memory.bindMemory(to: UnsafeMutablePointer<CChar>?.self, capacity: slots)
    var text = (memory + pointerBytes).bindMemory(to: CChar.self, capacity: bytes)
    var slot = 0
    for list in lists {
      for var string in list {
        let count = string.withUTF8 { utf8 in
          if let source = utf8.baseAddress {
            UnsafeMutableRawPointer(text).copyMemory(from: source, byteCount: utf8.count)
          }
          return utf8.count
        }
        text[count] = 0
        pointers[slot] = text
        slot += 1
        text += count + 1
      }
      pointers[slot] = nil
      slot += 1
    }
  }

  private static func refused(_ message: String) -> SpawnError {
    SpawnError(stage: .execute, errno: EINVAL, message: message)
  }

  deinit { memory.deallocate() }

  /// The argument list, for as long as this image lives.
  var arguments: UnsafePointer<UnsafeMutablePointer<CChar>?> { list(at: 0) }
  /// The environment, for as long as this image lives.
  var environment: UnsafePointer<UnsafeMutablePointer<CChar>?> { list(at: environmentStart) }
  /// The files to try, for as long as this image lives.
  var candidates: UnsafePointer<UnsafePointer<CChar>?> {
    UnsafeRawPointer(list(at: candidatesStart)).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
  }

  private func list(at start: Int) -> UnsafePointer<UnsafeMutablePointer<CChar>?> {
    UnsafePointer(memory.assumingMemoryBound(to: UnsafeMutablePointer<CChar>?.self) + start)
  }

  /// The files that `program` may mean, in the order of `path`: execvp(3). A name with a slash is
  /// used as it is, an empty one names nothing, and an empty entry is the working directory.
  static func candidates(for program: String, path: String?) -> [String] {
    if program.isEmpty || program.utf8.contains(UInt8(ascii: "/")) { return [program] }
    return (path ?? defaultPath).split(separator: ":", omittingEmptySubsequences: false).map {
      $0.isEmpty ? program : "\($0)/\(program)"
    }
  }
}
