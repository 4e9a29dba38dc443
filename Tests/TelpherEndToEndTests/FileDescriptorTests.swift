import Glibc
import TelpherClient
import TelpherFileStore
import TelpherTestSupport
import TelpherTransfer
import Testing

/// Transfers of trees with a low limit of descriptors.
@Suite(.timeLimit(.minutes(5))) struct FileDescriptorTests {
  /// A command that runs its arguments with a limit of 40 descriptors.
  private static let wrapper = ["/bin/sh", "-c", "ulimit -n 40; exec \"$@\"", "sh"]

  @Test(arguments: SystemBackend.all)
  func aTreeOf200FilesIsTransferredWith40Descriptors(_ backend: SystemBackend) async throws {
    try await FileServer.with { files in
      let (tree, there, back) = (files.local + "/tree", files.root + "/tree", files.local + "/back")
      for path in [tree, back] { mkdir(path, 0o755) }
      var folder = tree
      for number in 0..<200 {
        // Some of the folders are deeply nested.
        if number % 10 == 0 {
          folder = (number % 20 == 0 ? folder : tree) + "/\(number)"
          mkdir(folder, 0o755)
        }
        files.write(folder + "/file\(number)", noise(number * 100, seed: number))
      }
      try await files.serve(backend, wrapper: Self.wrapper) { connection in
        let report = try await connection.put([tree], to: "", recursively: true)
        #expect(report.failures == [])
        #expect(report.counts.files == 200)
        let ending = LocalShell.run(
          Self.wrapper + [
            backend.program, "get", "--on", "unix:\(files.folder)/socket", "-r", "tree", back,
          ], environment: ["PATH=/usr/bin:/bin", "HOME=\(files.folder)"])
        #expect(ending == .exited(0))
      }
      for copy in [there, back + "/tree"] {
        let difference = LocalShell.run(["/usr/bin/diff", "-r", tree, copy], environment: [])
        #expect(difference == .exited(0))
      }
    }
  }

  @Test func twoHundredSourcesOfTheirOwnFoldersArePutWith40Descriptors() async throws {
    try await FileServer.with { files in
      let sources = (0..<200).map { number in
        let folder = files.local + "/\(number)"
        mkdir(folder, 0o755)
        files.write(folder + "/file\(number)", noise(number * 10, seed: number))
        return folder + "/file\(number)"
      }
      let all = files.local + "/all"
      mkdir(all, 0o755)
      #expect(LocalShell.run(["/bin/cp"] + sources + [all], environment: []) == .exited(0))
      try await files.serve(.uv) { _ in
        let ending = LocalShell.run(
          Self.wrapper + [
            SystemBackend.uv.program, "put", "--on", "unix:\(files.folder)/socket",
          ] + sources + ["."], environment: ["PATH=/usr/bin:/bin", "HOME=\(files.folder)"])
        #expect(ending == .exited(0))
      }
      let difference = LocalShell.run(["/usr/bin/diff", "-r", all, files.root], environment: [])
      #expect(difference == .exited(0))
    }
  }
}
