internal import Glibc
package import TelpherTransport

/// The checked strings of a launch: those that execve(2) takes, and the files to try.
package struct LaunchStrings {
  /// The search path of execvp(3) if the child's environment has no PATH.
  static let defaultPath: SystemString = "/bin:/usr/bin"

  /// The program as it was named, and its arguments.
  package let arguments: [SystemString]
  /// `NAME=value` for each variable.
  package let environment: [SystemString]
  /// Each file that may be the program, in the order in which to try them.
  package let candidates: [SystemString]

  /// Checks the strings of `request` and adds `mark` to the environment.
  ///
  /// - Throws: `SpawnError` if a string can't be passed on: there are no arguments, a string has a
  ///   NUL byte, or a variable's name is empty or has a `=`.
  package init(_ request: SpawnRequest, mark: String? = nil) throws(SpawnError) {
    guard let program = request.program ?? request.arguments.first else {
      throw Self.refused("no program was given")
    }
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
  /// used as it is. An empty name names no file. An empty entry of `path` is the working directory.
  static func candidates(for program: SystemString, path: SystemString?) -> [SystemString] {
    let slash = UInt8(ascii: "/")
    if program.bytes.isEmpty || program.bytes.contains(slash) { return [program] }
    let folders = (path ?? defaultPath).bytes.split(
      separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    return folders.map { $0.isEmpty ? program : SystemString($0 + [slash] + program.bytes) }
  }
}
