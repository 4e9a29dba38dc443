internal import Glibc
internal import TelpherText
internal import TelpherTransport
internal import TelpherWire

extension RunRequest {
  /// The fewest digits that are accepted as the beginning of a job's id. Fewer digits could also be
  /// the number of a command in `ps`, or a mistyped name.
  static let shortestBeginning = 8

  /// Whether `reference` can mean a durable job, and not only a command of `ps`.
  static func mayNameJob(_ reference: String) -> Bool {
    isJobReference(reference)
      && (reference.utf8.count >= shortestBeginning || Int(reference) == nil)
  }

  /// The message for a client that has as many commands as it may.
  static func tooMany(_ most: Int) -> String {
    "the server's policy lets you run \(most) commands and durable jobs at once: try again later"
  }

  /// The request for the job host, with what belongs to this server: the environment that its
  /// commands start with, and its working directory. The host has neither.
  ///
  /// - Parameters:
  ///   - initial: the environment that this server's commands start with.
  ///   - limits: the limits that this server grants.
  ///   - concurrency: how many commands the client may have at once.
  func forJobHost(
    environment initial: LaunchEnvironment, limits: [ResourceLimit], concurrency: Concurrency?
  ) -> RunRequest {
    var request = self
    request.concurrency = concurrency
    request.claim = JobClaim.digest(of: self)
    var variables: [ExactText: ByteText?] = [:]
    for (name, value) in environment(from: initial).variables {
      // A name that is not UTF-8 can't be sent.
      guard let name = String(validating: name.bytes, as: UTF8.self) else { continue }
      variables[ExactText(name)] = ByteText(value.bytes)
    }
    request.env = variables
    request.cleanEnv = true
    if !limits.isEmpty {
      request.limits = limits.byName
    }
    // The login shell starts in the user's home.
    if cwd == nil, login == true { return request }
    if cwd?.bytes.first != UInt8(ascii: "/"), let own = Self.workingDirectory {
      let relative = cwd.map { [UInt8(ascii: "/")] + $0.bytes } ?? []
      request.cwd = ByteText(own + relative)
    }
    return request
  }

  /// The absolute path of this process's working directory; nil if it has none.
  private static var workingDirectory: [UInt8]? {
    guard let path = getcwd(nil, 0) else { return nil }
    defer { free(path) }
    return Array(UnsafeRawBufferPointer(start: path, count: strlen(path)))
  }
}
