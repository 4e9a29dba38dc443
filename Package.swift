// swift-tools-version: 6.2
// Telpher runs on Linux only: it uses pidfds, control groups, openat2 and /proc.
import PackageDescription

/// The compiler settings of every Swift target; docs/decisions.md gives the reasons.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  // The build stays free of warnings. SwiftPM ignores this in packages that depend on this one.
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "telpher",
  products: [
    .executable(name: "telpher", targets: ["telpher"]),
    .executable(name: "telpher-nio", targets: ["telpher-nio"]),
    .library(name: "TelpherClient", targets: ["TelpherClient"]),
    .library(name: "TelpherServer", targets: ["TelpherServer"]),
    .library(name: "TelpherUV", targets: ["TelpherUV"]),
    .library(name: "TelpherNIO", targets: ["TelpherNIO"]),
    // Without a public API: scripts/benchmark, which shares this package's name, measures it.
    .library(name: "TelpherFleet", targets: ["TelpherFleet", "TelpherFleetNATS"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.3.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    // Only for the pure-Swift backend; `telpher` links none of these.
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
  ],
  targets: [
    // libuv.
    .systemLibrary(
      name: "CLibUV", path: "CLibUV", pkgConfig: "libuv",
      providers: [.apt(["libuv1-dev"])]),
    // The few Linux calls that Swift's Glibc module lacks.
    .target(name: "CTelpherSys"),

    // XXH3, the default digest for files.
    .systemLibrary(
      name: "CXXHash", path: "Sources/CXXHash", pkgConfig: "libxxhash",
      providers: [.apt(["libxxhash-dev"])]),

    // SHA-256, MD5 and HMAC, from OpenSSL's libcrypto (libssl-dev).
    .target(name: "CTelpherCrypto", linkerSettings: [.linkedLibrary("crypto")]),

    // What needs the rights of another user.
    .target(name: "CTelpherAccount"),

    // TLS 1.3, from OpenSSL's libssl (libssl-dev).
    .target(
      name: "CTelpherTLS", linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),

    // Text of others: made safe to show, compared by its bytes.
    .target(name: "TelpherText", swiftSettings: strict),

    // A part of YAML, read strictly, with the number of each line.
    .target(name: "TelpherYAML", swiftSettings: strict),

    // Sets of hosts, groups of them, and the plan of a command that runs on many.
    .target(
      name: "TelpherHosts", dependencies: ["TelpherText", "TelpherYAML"], swiftSettings: strict),

    // What each client may do: read from a file, and decided without I/O.
    .target(
      name: "TelpherPolicy",
      dependencies: ["TelpherText", "TelpherTransport", "TelpherYAML"], swiftSettings: strict),

    // JSON, read strictly and written in one way.
    .target(name: "TelpherJSON", dependencies: ["TelpherText"], swiftSettings: strict),

    // The protocol, without I/O.
    .target(
      name: "TelpherWire", dependencies: ["TelpherJSON", "TelpherText"], swiftSettings: strict),

    // The interface between the protocol and the operating system.
    .target(name: "TelpherTransport", swiftSettings: strict),
    // An implementation of that interface in memory, for tests.
    .target(
      name: "TelpherTransportTesting", dependencies: ["TelpherTransport"], swiftSettings: strict),
    // Child processes: launching, trees, control groups, reaping.
    .target(
      name: "TelpherProcess", dependencies: ["CTelpherSys", "TelpherTransport"],
      swiftSettings: strict),
    // Sockets: their files, locks, addresses and peers.
    .target(
      name: "TelpherSockets", dependencies: ["CTelpherSys", "TelpherTransport"],
      swiftSettings: strict),
    // The listening sockets of a server, handed over to the process that replaces it.
    .target(
      name: "TelpherHandOver",
      dependencies: ["CTelpherSys", "TelpherJSON", "TelpherSockets", "TelpherTransport"],
      swiftSettings: strict),
    .target(
      name: "TelpherUV",
      dependencies: [
        "CLibUV", "CTelpherSys", "TelpherProcess", "TelpherSockets", "TelpherTransport",
      ],
      swiftSettings: strict),
    .target(
      name: "TelpherNIO",
      dependencies: [
        "CTelpherSys", "TelpherProcess", "TelpherSockets", "TelpherTransport",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "Subprocess", package: "swift-subprocess"),
        .product(name: "SystemPackage", package: "swift-system"),
      ],
      swiftSettings: strict),

    // The life of one command's process.
    .target(name: "TelpherCommand", dependencies: ["TelpherTransport"], swiftSettings: strict),

    // Authentication: secret files, tokens and the proofs made with them.
    .target(
      name: "TelpherAccess",
      dependencies: [
        "CTelpherAccount",
        "CTelpherCrypto", "TelpherJSON", "TelpherKeys", "TelpherTransport", "TelpherWire",
      ],
      swiftSettings: strict),

    // The public keys, signatures and files of ssh.
    .target(
      name: "TelpherKeys",
      dependencies: [
        "CTelpherAccount", "CTelpherCrypto", "TelpherJSON", "TelpherText", "TelpherTransport",
      ],
      swiftSettings: strict),

    // TLS over any stream, and the key by which a server is known.
    .target(
      name: "TelpherTLS", dependencies: ["CTelpherTLS", "TelpherAccess", "TelpherTransport"],
      swiftSettings: strict),

    // A safe local file system: roots, paths, folders, partial files, digests.
    .target(
      name: "TelpherFileStore",
      dependencies: [
        "CTelpherCrypto", "CTelpherSys", "CXXHash", "TelpherText", "TelpherTransport",
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),

    // The output of jobs, on disk.
    .target(
      name: "TelpherJournal", dependencies: ["CXXHash", "TelpherTransport"], swiftSettings: strict),

    // The engines that move files and trees over a stream.
    .target(
      name: "TelpherTransfer",
      dependencies: [
        "TelpherFileStore", "TelpherLink", "TelpherTransport", "TelpherWire",
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),

    // One connection as both ends see it; then the server and the client.
    .target(
      name: "TelpherLink",
      dependencies: [
        "TelpherTransport", "TelpherWire",
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),
    // Sockets whose bytes a stream carries, for both ends.
    .target(
      name: "TelpherForward", dependencies: ["TelpherLink", "TelpherTransport", "TelpherWire"],
      swiftSettings: strict),
    .target(
      name: "TelpherServer",
      dependencies: [
        "CTelpherSys", "TelpherAccess", "TelpherCommand", "TelpherFileStore", "TelpherForward",
        "TelpherJSON", "TelpherJournal", "TelpherKeys", "TelpherLink", "TelpherPolicy",
        "TelpherTLS", "TelpherText", "TelpherTransfer", "TelpherTransport", "TelpherWire",
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(
      name: "TelpherClient",
      dependencies: [
        "TelpherAccess", "TelpherFileStore", "TelpherForward", "TelpherKeys", "TelpherLink",
        "TelpherTLS", "TelpherText", "TelpherTransfer", "TelpherTransport", "TelpherWire",
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),

    // A client of NATS and of JetStream.
    .target(
      name: "TelpherNATS",
      dependencies: [
        "TelpherAccess", "TelpherForward", "TelpherJSON", "TelpherKeys", "TelpherTLS",
        "TelpherText", "TelpherTransport",
      ],
      swiftSettings: strict),

    // Passes the streams of local clients on over one connection to a server.
    .target(
      name: "TelpherRelay",
      dependencies: [
        "TelpherAccess", "TelpherClient", "TelpherLink", "TelpherTransport", "TelpherWire",
        .product(name: "DequeModule", package: "swift-collections"),
      ],
      swiftSettings: strict),

    // A queue of jobs and its workers: what decides which job runs where, over any broker.
    .target(
      name: "TelpherFleet",
      dependencies: [
        "TelpherClient", "TelpherFileStore", "TelpherJSON", "TelpherKeys",
        "TelpherPolicy", "TelpherText", "TelpherTransport", "TelpherWire",
      ],
      swiftSettings: strict),

    // The queue of jobs on NATS JetStream.
    .target(
      name: "TelpherFleetNATS",
      dependencies: [
        "TelpherFleet", "TelpherJSON", "TelpherNATS", "TelpherText", "TelpherTransport",
      ],
      swiftSettings: strict),

    // The simple protocols of the tutorials (docs/FROM-THE-TUTORIALS.md).
    .target(
      name: "TelpherClassic",
      dependencies: [
        "TelpherCommand", "TelpherFileStore", "TelpherJSON", "TelpherTransport",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),

    // The programs: the command line, and one executable for each backend.
    .target(
      name: "TelpherCLI",
      dependencies: [
        "CTelpherAccount", "CTelpherSys", "TelpherAccess", "TelpherClassic", "TelpherClient",
        "TelpherFileStore", "TelpherFleet", "TelpherFleetNATS",
        "TelpherHandOver", "TelpherHosts", "TelpherJSON", "TelpherKeys", "TelpherNATS",
        "TelpherPolicy",
        "TelpherRelay", "TelpherServer", "TelpherSockets", "TelpherTLS", "TelpherText",
        "TelpherTransfer",
        "TelpherTransport", "TelpherWire",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "telpher",
      dependencies: ["TelpherCLI", "TelpherProcess", "TelpherTransport", "TelpherUV"],
      swiftSettings: strict),
    .executableTarget(
      name: "telpher-nio",
      dependencies: ["TelpherCLI", "TelpherNIO", "TelpherProcess", "TelpherTransport"],
      swiftSettings: strict),

    // The folders of the tests mirror those of the sources.
    .testTarget(
      name: "TelpherCLITests",
      dependencies: [
        "TelpherAccess", "TelpherCLI", "TelpherClient", "TelpherFleet", "TelpherFleetNATS",
        "TelpherHosts", "TelpherKeys", "TelpherNATS", "TelpherTestSupport", "TelpherTransport",
        "TelpherUV", "TelpherWire", "telpher",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      // The tutorials' own programs, and a proxy, written in Python.
      exclude: ["Classic/Programs", "Jobs/Programs", "TLS/Programs"], swiftSettings: strict),
    .testTarget(
      name: "TelpherProcessTests",
      dependencies: [
        "CTelpherSys", "CTelpherTestSupport", "TelpherFileStore", "TelpherProcess",
        "TelpherTransport",
      ],
      swiftSettings: strict),
    // Makes a system call fail on one thread.
    .target(name: "CTelpherTestSupport", path: "Tests/CTelpherTestSupport"),
    .testTarget(
      name: "TelpherSocketsTests", dependencies: ["CTelpherSys", "TelpherSockets"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherHandOverTests",
      dependencies: ["TelpherHandOver", "TelpherSockets", "TelpherTransport"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherFileStoreTests",
      dependencies: ["CTelpherSys", "TelpherFileStore", "TelpherTestSupport", "TelpherTransport"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherJournalTests",
      dependencies: ["TelpherJournal", "TelpherTestSupport", "TelpherTransport"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherTransferTests",
      dependencies: [
        "TelpherFileStore", "TelpherTestSupport", "TelpherTransfer", "TelpherTransport",
        "TelpherWire",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherAccessTests",
      dependencies: [
        "TelpherAccess", "TelpherJSON", "TelpherKeys", "TelpherTestSupport", "TelpherTransport",
        "TelpherWire",
      ],
      swiftSettings: strict),
    // They compare the module with ssh-keygen and ssh-agent.
    .testTarget(
      name: "TelpherKeysTests", dependencies: ["TelpherKeys", "TelpherTestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherTLSTests",
      dependencies: [
        "TelpherAccess", "TelpherTLS", "TelpherTransport", "TelpherTransportTesting",
      ],
      swiftSettings: strict),
    // They compare the module with Foundation.
    .testTarget(
      name: "TelpherJSONTests",
      dependencies: ["TelpherJSON", "TelpherTestSupport", "TelpherText"],
      swiftSettings: strict),
    // They compare the module with ClusterShell and PyYAML, if python3 has them.
    .testTarget(
      name: "TelpherHostsTests",
      dependencies: ["TelpherHosts", "TelpherTestSupport", "TelpherText", "TelpherYAML"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherPolicyTests",
      dependencies: ["TelpherPolicy", "TelpherTestSupport", "TelpherText", "TelpherTransport"],
      swiftSettings: strict),
    .testTarget(name: "TelpherTextTests", dependencies: ["TelpherText"], swiftSettings: strict),
    .testTarget(
      name: "TelpherWireTests", dependencies: ["TelpherTestSupport", "TelpherText", "TelpherWire"],
      swiftSettings: strict),
    // These tests start the programs that are built into the same folder as they are.
    .testTarget(
      name: "TelpherEndToEndTests",
      dependencies: [
        "fault-injector", "telpher", "telpher-nio", "TelpherAccess", "TelpherClient",
        "TelpherFileStore", "TelpherKeys", "TelpherProcess", "TelpherRelay", "TelpherServer",
        "TelpherTLS", "TelpherTestSupport", "TelpherTransfer", "TelpherTransport", "TelpherUV",
        "TelpherWire",
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["Programs"], swiftSettings: strict),
    // Runs a program and makes one of its system calls fail.
    .executableTarget(name: "fault-injector", path: "Tests/FaultInjector"),
    // A peer that sends raw bytes, a child program that tests control, and the backends by name.
    .target(
      name: "TelpherTestSupport",
      dependencies: [
        "CTelpherTestSupport", "TelpherFileStore", "TelpherKeys", "TelpherNIO", "TelpherProcess",
        "TelpherTransport", "TelpherTransportTesting", "TelpherUV",
      ],
      path: "Tests/TelpherTestSupport", swiftSettings: strict),
    .testTarget(
      name: "TelpherLinkTests",
      dependencies: [
        "TelpherLink", "TelpherTestSupport", "TelpherTransport", "TelpherTransportTesting",
        "TelpherWire",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherCommandTests",
      dependencies: [
        "TelpherCommand", "TelpherTestSupport", "TelpherTransport", "TelpherTransportTesting",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherForwardTests",
      dependencies: [
        "TelpherForward", "TelpherTestSupport", "TelpherTransport", "TelpherTransportTesting",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherServerTests",
      dependencies: [
        "CTelpherSys", "TelpherAccess", "TelpherFileStore", "TelpherJSON", "TelpherKeys",
        "TelpherLink", "TelpherServer", "TelpherTLS", "TelpherTestSupport", "TelpherText",
        "TelpherTransfer", "TelpherTransport", "TelpherTransportTesting", "TelpherWire",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherClassicTests",
      dependencies: [
        "TelpherClassic", "TelpherTransport", "TelpherTransportTesting",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherClientTests",
      dependencies: [
        "TelpherAccess", "TelpherClient", "TelpherFileStore", "TelpherLink", "TelpherTestSupport",
        "TelpherTransport", "TelpherTransportTesting", "TelpherWire",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherRelayTests",
      dependencies: [
        "TelpherClient", "TelpherLink", "TelpherRelay", "TelpherServer", "TelpherTestSupport",
        "TelpherTransport", "TelpherTransportTesting", "TelpherWire",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    // They start nats-server, if there is one.
    .testTarget(
      name: "TelpherNATSTests",
      dependencies: [
        "TelpherAccess", "TelpherKeys", "TelpherNATS", "TelpherTestSupport", "TelpherTransport",
        "TelpherTransportTesting",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherFleetNATSTests",
      dependencies: [
        "TelpherFleet", "TelpherFleetNATS", "TelpherNATS", "TelpherTestSupport", "TelpherTransport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherFleetTests",
      dependencies: [
        "TelpherClient", "TelpherFleet", "TelpherJSON", "TelpherKeys", "TelpherPolicy",
        "TelpherServer", "TelpherTestSupport", "TelpherText", "TelpherTransport", "TelpherWire",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherNIOTests", dependencies: ["TelpherNIO", "TelpherProcess", "TelpherTransport"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherUVTests",
      dependencies: [
        "CLibUV", "TelpherProcess", "TelpherSockets", "TelpherTransport", "TelpherUV",
      ],
      swiftSettings: strict),
    // The tests of TelpherTransport's interface. Add a backend to Conformance/Backends.swift and
    // its target here.
    .testTarget(
      name: "TelpherTransportTests",
      dependencies: [
        "TelpherNIO", "TelpherProcess", "TelpherTestSupport", "TelpherTransport",
        "TelpherTransportTesting", "TelpherUV",
      ],
      swiftSettings: strict),
  ]
)
