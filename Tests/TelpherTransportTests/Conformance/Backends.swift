import TelpherNIO
import TelpherProcess
import TelpherTransport
import TelpherTransportTesting
import TelpherUV

// To add a backend, add its target to this test target's dependencies in Package.swift, import it
// here, and add a line to `all`.

/// The backends on which the conformance suite runs.
enum Backends {
  static let all: [TransportUnderTest] = [
    memory,
    TransportUnderTest("uv") { count in
      try Rig(systemLoops: (0..<count).map { _ in try UVLoop(launcher: try Launcher()) })
    },
    TransportUnderTest("uv, by uv_spawn") { count in
      try Rig(
        systemLoops: (0..<count).map { _ in
          try UVLoop(launcher: try Launcher(scope: .descendants), launchMethod: .uvSpawn)
        })
    },
    TransportUnderTest("nio") { count in
      try Rig(
        systemLoops: (0..<count).map { _ in NIOLoop(launcher: try SubprocessLauncher()) })
    },
  ]

  static let memory = TransportUnderTest("memory", hasDescriptors: false) { count in
    let network = MemoryNetwork()
    registerTestPrograms(on: network)
    return Rig(
      loops: (0..<count).map { _ in MemoryLoop(network: network) },
      command: \.inMemory,
      raise: { network.raise($0) })
  }
}
