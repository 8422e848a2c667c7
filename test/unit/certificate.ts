/** A certificate that is only read, of nobody and for nothing, PEM. Its key was never kept. */
export const certificate = [
  "-----BEGIN CERTIFICATE-----",
  "MIIBdjCCARugAwIBAgIUUu8c0zw8w4R7wLsfBXqb6v09NMIwCgYIKoZIzj0EAwIw",
  "DzENMAsGA1UEAwwEdW5pdDAgFw0yNjExMjMxNTU2MjRaGA8yMTI2MTAzMDE1NTYy",
  "NFowDzENMAsGA1UEAwwEdW5pdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE4J",
  "ptaJ4L8hLUBgH9OdVI8iXhrslZQUk7pwxCQrLmFbccXS/K7UyDUK+BDIQ99n5EKR",
  "BtZhEHruiGw6JUsD49GjUzBRMB0GA1UdDgQWBBQ3beXOcNynyiu/rhinGSVGPkU7",
  "4jAfBgNVHSMEGDAWgBQ3beXOcNynyiu/rhinGSVGPkU74jAPBgNVHRMBAf8EBTAD",
  "AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCrqawWdtAov5O4pCYkgAFy3WMH8HTCiroc",
  "ISqGoRtyzAIhANNIMf1QY9W7jjQwfPxXyQPNWTRiUBho3Ypgw5ddFVKF",
  "-----END CERTIFICATE-----",
].join("\n");
