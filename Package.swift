// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target is compiled with; docs/architecture.md says why.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
  name: "telpher",
  targets: [
    .target(name: "CTelpherSys"),

    // The protocol, without I/O.
    .target(name: "TelpherWire", swiftSettings: strict),

    // The seam between protocol and operating system, and its in-memory backend.
    .target(name: "TelpherTransport", swiftSettings: strict),
    .target(
      name: "TelpherSystem", dependencies: ["CTelpherSys", "TelpherTransport"],
      swiftSettings: strict),
    .testTarget(
      name: "TelpherSystemTests",
      dependencies: ["CTelpherSys", "TelpherSystem", "TelpherTransport"], swiftSettings: strict),
    .testTarget(name: "TelpherWireTests", dependencies: ["TelpherWire"], swiftSettings: strict),
    // The seam's tests. Whoever adds a backend to Conformance/Backends.swift adds its target here.
    .testTarget(
      name: "TelpherTransportTests", dependencies: ["TelpherTransport"], swiftSettings: strict),
  ]
)
