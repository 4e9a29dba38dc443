/// Runs a server's session against any input from a client.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzServer(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var owner = SessionOwner(.server, FuzzInput(start, count))
  owner.run()
  return 0
}
