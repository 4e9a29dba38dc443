/// Runs a client's session against any input from a server.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzClient(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var owner = SessionOwner(.client, FuzzInput(start, count))
  owner.run()
  return 0
}
