internal import Glibc
package import TelpherTransport

/// The strings of a launch, checked: what execve(2) takes, and the files to try.
package struct LaunchStrings {
  /// Where execvp(3) looks when the child's environment has no PATH.
  static let defaultPath: SystemString = "/bin:/usr/bin"

  /// The program, as it was named, and its arguments.
  package let arguments: [SystemString]
  /// `NAME=value` for each variable.
  package let environment: [SystemString]
  /// Each file that may be the program, in the order in which they are tried.
  package let candidates: [SystemString]

  /// The strings of `request`, with `mark` added to the environment.
  ///
  /// - Throws: `SpawnError` where a string can't be passed on: no arguments, a NUL byte, or a
  ///   variable's name that is empty or has a `=`.
  package init(_ request: SpawnRequest, mark: String? = nil) throws(SpawnError) {
    guard let program = request.arguments.first else { throw Self.refused("no program was named") }
    var environment: [SystemString] = []
    environment.reserveCapacity(request.environment.count + 1)
    let markName = SystemString(ProcessTree.markName)
    if let mark { environment.append(SystemString("\(ProcessTree.markName)=\(mark)")) }
    for (name, value) in request.environment where mark == nil || name != markName {
      guard !name.bytes.isEmpty, !name.bytes.contains(UInt8(ascii: "=")) else {
        throw Self.refused("'\(name)' can't name an environment variable")
      }
      environment.append(SystemString(name.bytes + [UInt8(ascii: "=")] + value.bytes))
    }
    for string in request.arguments where string.bytes.contains(0) {
      throw Self.refused("an argument has a NUL byte")
    }
    for string in environment where string.bytes.contains(0) {
      throw Self.refused("an environment variable has a NUL byte")
    }
    arguments = request.arguments
    self.environment = environment
    candidates = Self.candidates(for: program, path: request.environment["PATH"])
  }

  private static func refused(_ message: String) -> SpawnError {
    SpawnError(stage: .execute, errno: EINVAL, message: message)
  }

  /// The files that `program` may mean, in the order of `path`: execvp(3). A name with a slash is
  /// used as it is, an empty one names nothing, and an empty entry is the working directory.
  static func candidates(for program: SystemString, path: SystemString?) -> [SystemString] {
    let slash = UInt8(ascii: "/")
    if program.bytes.isEmpty || program.bytes.contains(slash) { return [program] }
    let folders = (path ?? defaultPath).bytes.split(
      separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    return folders.map { $0.isEmpty ? program : SystemString($0 + [slash] + program.bytes) }
  }
}
