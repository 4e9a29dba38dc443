extension Sandbox {
  /// Runs `body` with a folder that has a fake ssh and keeps connections for `keep`, and ends what
  /// it has started.
  static func withSSH(
    keep: String = "600", _ body: (Sandbox) async throws -> Void
  ) async throws {
    try await with(keep: keep) { sandbox in
      sandbox.addSSH()
      try await body(sandbox)
    }
  }
}
