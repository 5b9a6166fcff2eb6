using System.Security.Cryptography;
using System.Text;

namespace Picograd.TuneDb;

/// <summary>
/// Keys with which exported winners are signed: ECDSA over P-256 with SHA-256 (FIPS 186-5), as PEM files that OpenSSL reads and makes as well. The
/// signature is a line behind the last one of an export, over everything above it.
/// </summary>
public static class SigningKey
{
    private const string Word = "signature";
    private const string Algorithm = "ecdsa-p256-sha256";

    // Of an export; records have some thousands of characters.
    private const long LargestText = 1L << 30;
    private const long LargestKey = 1 << 16;

    /// <summary>Makes a pair: the private key, readable by its owner alone, and the public one beside it with the ending <c>.pub</c>.</summary>
    /// <returns>Path of the public key.</returns>
    /// <exception cref="TuneDbException">One of them is there already, or cannot be written.</exception>
    public static string Create(string path)
    {
        var publicPath = path + ".pub";
        foreach (var taken in new[] { path, publicPath })
        {
            if (System.IO.Path.Exists(taken))
            {
                throw Bad(taken, $"The key '{taken}' exists already; name another file.");
            }
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            using (var writer = new StreamWriter(path, options))
            {
                writer.Write(key.ExportPkcs8PrivateKeyPem() + "\n");
            }

            File.WriteAllText(publicPath, key.ExportSubjectPublicKeyInfoPem() + "\n");
            return publicPath;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Bad(path, $"The key '{path}' cannot be written ({e.Message.TrimEnd('.')}).", e);
        }
    }

    /// <summary>The text with its signature.</summary>
    /// <param name="text">An export.</param>
    /// <param name="keyPath">A private key.</param>
    /// <exception cref="TuneDbException">The key cannot be read, or is none to sign with.</exception>
    public static string Sign(string text, string keyPath)
    {
        using var key = Read(keyPath);
        try
        {
            return $"{text}{Word} {Algorithm} {Convert.ToBase64String(key.SignData(Bytes(text), HashAlgorithmName.SHA256))}\n";
        }
        catch (CryptographicException e)
        {
            throw Bad(keyPath, $"The key '{keyPath}' is a public one, which signs nothing; name the private one.", e);
        }
    }

    /// <summary>The export in a signed text, once its signature is found to be a key's.</summary>
    /// <param name="reader">The whole text.</param>
    /// <param name="keyPath">A public key, or the private one.</param>
    /// <exception cref="TuneDbException">There is no signature, it is not that key's, or the text was changed since.</exception>
    public static string Verified(TextReader reader, string keyPath)
    {
        using var key = Read(keyPath);
        // Line feeds, as they were when it was signed.
        var text = ReadAll(reader).Replace("\r\n", "\n", StringComparison.Ordinal);
        var at = text.LastIndexOf($"\n{Word} ", StringComparison.Ordinal) + 1;
        if (at == 0)
        {
            throw Bad(null, "The text of exported winners is not signed; 'tune db export --sign KEY' signs one.");
        }

        var parts = text[at..].Trim().Split(' ');
        var signature = new byte[256];
        var isWhole =
            parts is [Word, Algorithm, var encoded]
            && Convert.TryFromBase64String(encoded, signature, out var length)
            && key.VerifyData(Bytes(text[..at]), signature.AsSpan(0, length), HashAlgorithmName.SHA256);
        return isWhole
            ? text[..at]
            : throw Bad(
                null,
                $"The text of exported winners is not signed with the key '{keyPath}', or was changed since; nothing was imported."
            );
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string ReadAll(TextReader reader)
    {
        var text = new StringBuilder();
        var buffer = new char[1 << 16];
        for (var read = reader.Read(buffer); read > 0; read = reader.Read(buffer))
        {
            text.Append(buffer, 0, read);
            if (text.Length > LargestText)
            {
                throw Bad(null, $"The text of exported winners has more than {LargestText} characters, so it is none.");
            }
        }

        return text.ToString();
    }

    private static ECDsa Read(string path)
    {
        var key = ECDsa.Create();
        try
        {
            if (RegularFile.Problem(path) is { } clause)
            {
                throw new IOException($"it {clause}");
            }

            if (new FileInfo(path).Length > LargestKey)
            {
                throw new CryptographicException("it is too long for a key");
            }

            key.ImportFromPem(File.ReadAllText(path));
            return key.KeySize == 256
                ? key
                : throw new CryptographicException($"it has {key.KeySize} bits, but keys here are of P-256");
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw Bad(
                path,
                $"The key '{path}' cannot be read ({e.Message.TrimEnd('.')}); 'tune db keygen' makes a pair.",
                e
            );
        }
    }

    private static TuneDbException Bad(string? path, string sentence, Exception? inner = null) =>
        new(TuneDbErrorKind.BadText, path, sentence, inner);
}
