internal import Glibc
internal import TelpherKeys
internal import Testing

/// A real ssh-agent, which ends with its owner.
package final class Agent: Sendable {
  package let path: String
  private let process: pid_t

  package init(in folder: KeyFolder) async throws {
    let path = folder.file("agent")
    self.path = path
    process = try KeyFolder.start(["ssh-agent", "-D", "-a", path], output: "/dev/null")
    try await eventually("the agent listens") { (try? SSHAgent(at: path)) != nil }
  }

  deinit {
    kill(process, SIGKILL)
    waitpid(process, nil, 0)
  }

  /// Adds the key `name` of the folder.
  package func add(_ name: String, of folder: KeyFolder) throws {
    try folder.run(["env", "SSH_AUTH_SOCK=\(path)", "ssh-add", "-q", folder.file(name)])
  }
}
