import Glibc
import TelpherClient

/// Durable jobs in a sandbox.
extension Sandbox {
  /// Runs `body` in a sandbox and then ends the process that keeps its jobs.
  static func withJobs<Value>(_ body: (Sandbox) async throws -> Value) async throws -> Value {
    let sandbox = try Sandbox()
    let result: Result<Value, any Error>
    do { result = .success(try await body(sandbox)) } catch { result = .failure(error) }
    try await sandbox.endJobHost(by: SIGTERM)
    return try result.get()
  }

  /// The default folder of the jobs.
  var jobsFolder: String { folder + "/.local/state/telpher/jobs" }

  /// The process that keeps the jobs; nil if none listens.
  var jobHost: Int32? { process(at: jobsFolder + "/host.sock") }

  /// The process that listens at a Unix socket; nil if none does.
  func process(at path: String) -> Int32? {
    let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array(path.utf8)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let isConnected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) == 0 }
    }
    guard isConnected else { return nil }
    var credentials: (pid: Int32, uid: UInt32, gid: UInt32) = (0, 0, 0)
    var size = socklen_t(MemoryLayout.size(ofValue: credentials))
    guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else {
      return nil
    }
    return credentials.pid
  }

  /// Ends the process that keeps the jobs, if there is one, and waits until it has ended.
  func endJobHost(by signal: Int32) async throws {
    guard let host = jobHost else { return }
    kill(host, signal)
    guard try await isGone(host, within: 20) else { throw Failed("the job host has not ended") }
  }

  /// Starts a job and returns its id.
  func startJob(_ arguments: String...) async throws -> String {
    try await startJob(arguments)
  }

  func startJob(_ arguments: [String]) async throws -> String {
    let result = await (try start(["run", "--detach"] + arguments)).finish()
    guard result.status == 0, result.text.utf8.count == 33 else {
      throw Failed("no job: \(result.status) \(result.text) \(result.errorText)")
    }
    return String(result.text.dropLast())
  }
}
