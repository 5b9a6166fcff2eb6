using System.Security.Cryptography;

namespace Picograd.Tests;

/// <summary>Exports that are signed, and imports that trust a key.</summary>
public sealed class SignatureTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Key => _folder.File("team.key");

    private string Export(string name, string key)
    {
        using var store = new MemoryTuneStore();
        store.Put(SampleRecords.Record());
        store.Put(SampleRecords.Record(certified: false) with { Key = SampleRecords.Key(m: 5) });
        Assert.Throws<ArgumentException>(() =>
            store.ExportFile(_folder.File(name), includeUncertified: true, signWith: key)
        );
        // Found and certified here: what others are trusted for is not signed again.
        store.Put(SampleRecords.Record() with { Key = SampleRecords.Key(m: 6), Origin = TuneOrigin.Imported });
        Assert.Equal(1, store.ExportFile(_folder.File(name), signWith: key));
        return _folder.File(name);
    }

    [Fact]
    public void What_a_trusted_key_signed_as_certified_is_certified_here()
    {
        var publicKey = SigningKey.Create(Key);
        var path = Export("signed", Key);
        using var store = new MemoryTuneStore();
        var result = store.ImportFile(path, publicKey);
        Assert.Equal((1, 0), (result.Added, result.Problems.Count));
        var served = store.FindExact(SampleRecords.Key())!;
        Assert.Equal((TuneOrigin.Imported, true), (served.Origin, served.Certified));

        // Without trust it is a text as any other; ends of lines may have been changed on the way.
        using var careful = new MemoryTuneStore();
        Assert.Equal(1, careful.ImportFile(path).Added);
        Assert.Null(careful.FindExact(SampleRecords.Key()));
        File.WriteAllText(path, File.ReadAllText(path).Replace("\n", "\r\n"));
        Assert.Equal(1, new MemoryTuneStore().ImportFile(path, publicKey).Added);
    }

    [Fact]
    public void What_is_changed_not_signed_or_signed_by_another_is_refused_as_a_whole()
    {
        var publicKey = SigningKey.Create(Key);
        var other = SigningKey.Create(_folder.File("other.key"));
        var path = Export("signed", Key);
        var text = File.ReadAllText(path);
        using var store = new MemoryTuneStore();
        Refused(other, "not signed with the key");
        foreach (
            var change in new Func<string, string>[]
            {
                t => t.Replace("milliseconds", "millisecondS"),
                t => "# a\n" + t,
                t => t + "\nrecord",
            }
        )
        {
            File.WriteAllText(path, change(text));
            Refused(publicKey, "");
        }

        File.WriteAllText(path, text[..text.LastIndexOf("signature", StringComparison.Ordinal)]);
        Refused(publicKey, "is not signed");
        File.WriteAllText(path, text[..^10] + "\n");
        Refused(publicKey, "not signed with the key");
        Assert.Empty(store.All());

        void Refused(string key, string reason) =>
            Assert.Contains(reason, Assert.Throws<TuneDbException>(() => store.ImportFile(path, key)).Message);
    }

    [Fact]
    public void Keys_are_kept_from_others_never_replaced_and_told_when_they_are_none()
    {
        var publicKey = SigningKey.Create(Key);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Key));
        }

        Assert.Contains("exists already", Assert.Throws<TuneDbException>(() => SigningKey.Create(Key)).Message);
        Assert.Contains("public one", Assert.Throws<TuneDbException>(() => Export("a", publicKey)).Message);
        var path = Export("signed", Key);
        File.WriteAllText(_folder.File("none"), "no key");
        using (var large = ECDsa.Create(ECCurve.NamedCurves.nistP384))
        {
            File.WriteAllText(_folder.File("large"), large.ExportSubjectPublicKeyInfoPem());
        }

        foreach (var name in new[] { "none", "large", "missing" })
        {
            var error = Assert.Throws<TuneDbException>(() =>
                new MemoryTuneStore().ImportFile(path, _folder.File(name))
            );
            Assert.Contains("cannot be read", error.Message);
        }
    }
}
