internal import Glibc
package import TelpherTransport

/// Finds the program that a child would execute, and explains why none can be executed. Libraries
/// that start processes report one error for all reasons.
package struct ProgramSearch {
  private let request: SpawnRequest

  /// Creates a search for the program of `request`.
  package init(_ request: SpawnRequest) {
    self.request = request
  }

  /// Returns the first file that the request may mean and that can be executed in the request's
  /// working directory.
  ///
  /// - Throws: `SpawnError` of stage `directory` or `execute`, with the errno of execvp(3).
  package func find() throws(SpawnError) -> SystemString {
    guard let program = request.program ?? request.arguments.first else {
      throw SpawnError(stage: .execute, errno: EINVAL, message: "no program was given")
    }
    return try find(LaunchStrings.candidates(for: program, in: request.environment))
  }

  /// Returns the first of `candidates` that can be executed in the request's working directory.
  ///
  /// - Throws: `SpawnError` of stage `directory` or `execute`, with the errno of execvp(3).
  package func find(_ candidates: [SystemString]) throws(SpawnError) -> SystemString {
    if let directory = request.directory {
      let failure = check(directory, kind: S_IFDIR, otherwise: ENOTDIR)
      guard failure == 0 else { throw SpawnError(.directory, errno: failure, of: request) }
    }
    var wasDenied = false
    var last = ENOENT
    for candidate in candidates {
      last = check(inDirectory(candidate), kind: S_IFREG, otherwise: EACCES)
      switch last {
      case 0: return candidate
      case EACCES: wasDenied = true
      case ENOENT, ENOTDIR, ESTALE, ENODEV, ETIMEDOUT: break
      default: throw SpawnError(.execute, errno: last, of: request)
      }
    }
    throw SpawnError(.execute, errno: wasDenied ? EACCES : last, of: request)
  }

  private func inDirectory(_ path: SystemString) -> SystemString {
    let slash = UInt8(ascii: "/")
    guard let directory = request.directory, !path.bytes.isEmpty, path.bytes.first != slash else {
      return path
    }
    return SystemString(directory.bytes + [slash] + path.bytes)
  }

  /// Checks whether we may execute the file, or search the folder, at `path`. Returns 0 or the
  /// error number.
  private func check(_ path: SystemString, kind: mode_t, otherwise: Int32) -> Int32 {
    path.withCString { path in
      var status = stat()
      guard stat(path, &status) == 0 else { return errno }
      guard status.st_mode & S_IFMT == kind else { return otherwise }
      return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno
    }
  }
}
