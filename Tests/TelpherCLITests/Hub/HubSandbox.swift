import Glibc
import Synchronization

/// A hub with TLS on this machine, and the keys of a user, a server and another server, all of which the
/// hub takes. The servers take the key of the user only.
final class HubSandbox: Sendable {
  let sandbox: Sandbox
  /// The address of the hub: one of the loopback network of its own.
  let hub: String
  private let policy: String?
  private let running = Mutex<[Child]>([])
  private let hubProcess = Mutex<Child?>(nil)

  private init(_ sandbox: Sandbox, policy: String?) {
    let parts = (0..<3).map { _ in "\(Int.random(in: 1...254))" }.joined(separator: ".")
    (self.sandbox, self.policy, hub) = (sandbox, policy, "127.\(parts)")
  }

  /// Runs `body` with a hub, and ends everything after it.
  ///
  /// - Parameter policy: makes the policy of the hub from the fingerprints of the keys.
  static func with(
    keep: String = "0", policy: (([String: String]) -> String)? = nil,
    _ body: (HubSandbox) async throws -> Void
  ) async throws {
    try await Sandbox.with(keep: keep) { sandbox in
      let names = ["user", "server", "other"]
      let made = try await sandbox.shell(
        "cd; "
          + names.map { "ssh-keygen -q -t ed25519 -N '' -C '' -f \($0)" }.joined(separator: "; ")
          + "; cat user.pub server.pub other.pub >hub-keys; cat user.pub >server-keys; "
          + "chmod 600 hub-keys server-keys; for n in user server other; do ssh-keygen -lf $n.pub; done"
      )
      guard made.status == 0 else { throw Failed(made.errorText) }
      let fingerprints = made.text.split(separator: "\n").map {
        String($0.split(separator: " ")[1])
      }
      if let policy {
        sandbox.write(
          policy(Dictionary(uniqueKeysWithValues: zip(names, fingerprints))),
          to: sandbox.folder + "/policy")
      }
      let stage = HubSandbox(
        sandbox, policy: policy == nil ? nil : sandbox.folder + "/policy")
      let result: Result<Void, any Error>
      do {
        try await stage.startHub()
        result = .success(try await body(stage))
      } catch { result = .failure(error) }
      for child in stage.running.withLock({ $0 }) {
        child.signal(SIGKILL)
        _ = await child.wait()
      }
      await stage.killHub()
      try result.get()
    }
  }

  /// Starts the hub, and waits until it listens.
  ///
  /// - Parameter replaces: whether it takes the place of the one that runs, which ends its work.
  func startHub(replaces: Bool = false) async throws {
    let child = try sandbox.start(
      [
        "serve", "--hub", "--listen", "tls:\(hub):7722",
        "--authorized-keys", sandbox.folder + "/hub-keys", "--host-key-file",
        sandbox.folder + "/hub-host-key",
      ] + (replaces ? ["--replace"] : [])
        + (policy.map { ["--policy", $0] } ?? ["--no-commands", "--root", "none"]))
    guard await child.line() != nil, await child.line() != nil else {
      throw Failed("no hub: \(await child.finish().errorText)")
    }
    let old = hubProcess.withLock { process in
      defer { process = child }
      return process
    }
    if let old { running.withLock { $0.append(old) } }
    // The servers of the test know the hub.
    let known = try await sandbox.telpher(at: "tls://\(hub)", key: "user", "ping")
    guard known.status == 0 else { throw Failed("no answer of the hub: \(known.errorText)") }
  }

  /// Kills the hub with SIGKILL, and waits for its end.
  func killHub() async {
    let child = hubProcess.withLock { $0.take() }
    child?.signal(SIGKILL)
    _ = await child?.wait()
  }

  /// Starts a server that dials the hub.
  ///
  /// - Parameter hostKey: its host key: a name of a file.
  func dial(
    as name: String = "web", key: String = "server", hostKey: String = "web-host-key",
    _ options: [String] = []
  ) throws -> Child {
    let child = try sandbox.start(
      [
        "serve", "--dial", "tls://\(hub)", "--name", name, "--dial-identity",
        "\(sandbox.folder)/\(key)", "--host-key-file", "\(sandbox.folder)/\(hostKey)",
        "--authorized-keys", sandbox.folder + "/server-keys",
      ] + options)
    running.withLock { $0.append(child) }
    return child
  }

  /// Starts a server that dials the hub, and waits until it is registered.
  func serve(
    as name: String = "web", key: String = "server", hostKey: String = "web-host-key"
  ) async throws -> Child {
    let child = try dial(as: name, key: key, hostKey: hostKey)
    guard await child.line() != nil, let line = await child.line() else {
      throw Failed("no server: \(await child.finish().errorText)")
    }
    guard line == "registered at \(address(name))" else { throw Failed(line) }
    return child
  }

  /// The address of a server for clients.
  func address(_ name: String = "web") -> String { "hub+tls://\(hub):7722/\(name)" }

  /// Runs a command of the program with a key, by default that of the user.
  func telpher(
    _ arguments: String..., at name: String = "web", key: String = "user"
  ) async throws -> Finished {
    try await start(arguments, at: name, key: key).finish()
  }

  /// Starts a command of the program with a key.
  func start(
    _ arguments: [String], at name: String = "web", key: String = "user"
  ) throws -> Child {
    try sandbox.start(
      [
        arguments[0], "--on", address(name), "--accept-new", "--identity",
        "\(sandbox.folder)/\(key)",
      ] + arguments.dropFirst())
  }
}
