using System.IO.Compression;
using System.Runtime.InteropServices;
using Xunit;

namespace Picograd.Tests;

/// <summary>Whisper against its layers in float64, written plainly; its search against all texts; its filters against OpenAI's.</summary>
public sealed class WhisperTests
{
    private static readonly WhisperConfig s_config = new(
        Mels: 5,
        AudioContext: 7,
        AudioWidth: 12,
        AudioHeads: 3,
        AudioLayers: 2,
        Vocabulary: 6,
        TextContext: 9,
        TextWidth: 12,
        TextHeads: 2,
        TextLayers: 2
    );

    private static Whisper Random(long seed)
    {
        Tensor.ManualSeed(seed);
        var model = new Whisper(s_config);
        using var off = Tensor.NoGrad();
        foreach (var parameter in model.Parameters)
            parameter.Copy_(Tensor.Randn(parameter.Shape) * 0.4);
        return model;
    }

    [Fact]
    public void Encoder_and_decoder_compute_what_their_layers_say()
    {
        var model = Random(3);
        using var off = Tensor.NoGrad();
        var mel = Tensor.Randn(1, 5, 14);
        var audio = model.Encoder.Forward(mel);
        var tokens = Tensor.From(
            new long[,]
            {
                { 3, 0, 5, 5, 1 },
            }
        );
        var logits = model.Decoder.Forward(tokens, audio);

        var reference = new Reference(model.StateDict());
        double[][] wantedAudio = reference.Encode(Rows(mel[0]), s_config);
        double[][] wanted = reference.Decode([3, 0, 5, 5, 1], wantedAudio, s_config);
        Compare(wantedAudio, audio[0]);
        Compare(wanted, logits[0]);
    }

    [Fact]
    public void State_dicts_have_the_names_of_OpenAI()
    {
        var state = Random(1).StateDict();
        foreach (
            string name in new[]
            {
                "encoder.conv1.weight",
                "encoder.positional_embedding",
                "encoder.blocks.1.attn.query.bias",
                "encoder.blocks.0.mlp.2.weight",
                "encoder.ln_post.weight",
                "decoder.token_embedding.weight",
                "decoder.positional_embedding",
                "decoder.blocks.0.cross_attn.key.weight",
                "decoder.blocks.0.cross_attn_ln.bias",
                "decoder.blocks.1.mlp_ln.weight",
                "decoder.ln.bias",
            }
        )
            Assert.Contains(name, state.Keys);
        Assert.DoesNotContain("encoder.blocks.0.attn.key.bias", state.Keys);
        // The sizes are read off the shapes; heads are of 64 numbers, so that small ones have one.
        Assert.Equal(s_config with { AudioHeads = 1, TextHeads = 1 }, WhisperConfig.Of(state));
        // tiny has 37,184,640 parameters, the places of the encoder not counted, which are not learned.
        using var meta = Device.Meta.Scope();
        Assert.Equal(37_184_640, new Whisper(new(80, 1500, 384, 6, 4, 51865, 448, 384, 6, 4)).ParameterCount);
    }

    [Fact]
    public void A_wide_search_finds_the_likeliest_text()
    {
        using var off = Tensor.NoGrad();
        for (long seed = 1; seed <= 3; seed++)
        {
            var model = Random(seed);
            var audio = model.Encoder.Forward(Tensor.Randn(1, 5, 14));
            const int End = 5,
                Most = 3;
            // Every text of less than three tokens and its end.
            var texts = new List<int[]> { Array.Empty<int>() };
            for (int i = 0; i < texts.Count; i++)
                if (texts[i].Length < Most - 1)
                    texts.AddRange(Enumerable.Range(0, End).Select(t => (int[])[.. texts[i], t]));
            double Mean(int[] text) => Log(model, audio, text, End) / (text.Length + 1);
            var best = texts.MaxBy(Mean)!;
            var (found, log) = model.BeamSearch(audio, [0], End, beams: 400, Most);
            Assert.Equal(best, found);
            Assert.Equal(Log(model, audio, best, End), log, 1e-4);
            // One text at a time is the greedy one until it ends.
            var (greedy, _) = model.BeamSearch(audio, [0], End, beams: 1, 6);
            var text = new List<int> { 0 };
            while (text.Count <= 6)
            {
                int next = (int)
                    model.Decoder.Forward(Tensor.From(text.ToArray()).Unsqueeze(0), audio)[0, -1].ArgMax().Item();
                if (next == End)
                    break;
                text.Add(next);
            }
            if (text.Count <= 6 && greedy.Length == text.Count - 1)
                Assert.Equal(text[1..], greedy);
        }
    }

    private static double Log(Whisper model, Tensor audio, int[] text, int end)
    {
        var logs = model.Decoder.Forward(Tensor.From((int[])[0, .. text]).Unsqueeze(0), audio)[0].LogSoftmax(-1);
        return text.Append(end).Select((token, i) => logs[i, token].Item()).Sum();
    }

    [SkippableFact]
    public void Filters_are_those_of_OpenAI()
    {
        ExampleProgram.Needs("whisper-mel_filters.npz", "jfk.wav");
        using var zip = ZipFile.OpenRead(Path.Combine(ExampleProgram.Data, "whisper-mel_filters.npz"));
        foreach (int mels in new[] { 80, 128 })
        {
            using var stream = new MemoryStream();
            using (var entry = zip.GetEntry($"mel_{mels}.npy")!.Open())
                entry.CopyTo(stream);
            byte[] bytes = stream.ToArray();
            var values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(bytes.Length - 4 * mels * 201)).ToArray();
            Assert.Equal(0, (LogMel.Filters(mels) - Tensor.From(values, [mels, 201])).Abs().Max().Item(), 1e-7);
        }
        string picture = Path.Combine(Path.GetTempPath(), $"picograd-{Guid.NewGuid():N}.png");
        string text = ExampleProgram.Run("whisper", "mel", "--data", ExampleProgram.Data, "--out", picture);
        Assert.StartsWith("[80, 3000]", text, StringComparison.Ordinal);
        File.Delete(picture);
        // One frame, by the definition of the transform.
        var sound = Picograd.Data.Wav.Load(Path.Combine(ExampleProgram.Data, "jfk.wav")).Samples[0];
        double[] samples = sound.ToDoubles();
        double[,] filters = new double[80, 201];
        double[] flat = LogMel.Filters(80).ToDoubles();
        System.Buffer.BlockCopy(flat, 0, filters, 0, 8 * flat.Length);
        var log = LogMel.Of(sound, 80);
        // The clamp at 8 below the greatest is undone for what is above it.
        const int Frame = 300;
        double[] power =
        [
            .. Enumerable
                .Range(0, 201)
                .Select(f =>
                {
                    double re = 0,
                        im = 0;
                    for (int i = 0; i < 400; i++)
                    {
                        double value = samples[Frame * 160 - 200 + i] * (0.5 - 0.5 * Math.Cos(2 * Math.PI * i / 400));
                        re += value * Math.Cos(2 * Math.PI * f * i / 400);
                        im -= value * Math.Sin(2 * Math.PI * f * i / 400);
                    }
                    return re * re + im * im;
                }),
        ];
        double floor = log.Min().Item();
        for (int m = 0; m < 80; m++)
        {
            double wanted =
                (Math.Log10(Math.Max(1e-10, Enumerable.Range(0, 201).Sum(f => filters[m, f] * power[f]))) + 4) / 4;
            Assert.Equal(Math.Max(floor, wanted), log[m, Frame].Item(), 2e-3);
        }
    }

    private static double[][] Rows(Tensor t) => [.. t.Unbind().Select(r => r.ToDoubles())];

    private static void Compare(double[][] wanted, Tensor got)
    {
        Assert.Equal(new long[] { wanted.Length, wanted[0].Length }, got.Shape.ToArray());
        foreach (var (row, i) in wanted.Select((r, i) => (r, i)))
        foreach (var (value, other) in row.Zip(got[i].ToDoubles()))
            Assert.Equal(value, other, 2e-4 * (1 + Math.Abs(value)));
    }

    /// <summary>The paper's layers, row by row, in float64.</summary>
    private sealed class Reference(IReadOnlyDictionary<string, Tensor> state)
    {
        private double[] V(string name) => state[name].ToDoubles();

        private double[][] M(string name) => Rows(state[name]);

        private double[][] Linear(double[][] x, string name)
        {
            var w = M(name + ".weight");
            double[]? b = state.ContainsKey(name + ".bias") ? V(name + ".bias") : null;
            return [.. x.Select(r => w.Select((row, o) => row.Zip(r, (p, q) => p * q).Sum() + (b?[o] ?? 0)).ToArray())];
        }

        private double[][] Norm(double[][] x, string name)
        {
            var (g, b) = (V(name + ".weight"), V(name + ".bias"));
            return
            [
                .. x.Select(r =>
                {
                    double mean = r.Average(),
                        variance = r.Average(v => (v - mean) * (v - mean));
                    return r.Select((v, i) => (v - mean) / Math.Sqrt(variance + 1e-5) * g[i] + b[i]).ToArray();
                }),
            ];
        }

        private double[][] Conv(double[][] x, string name, int stride)
        {
            double[] w = V(name + ".weight"),
                b = V(name + ".bias");
            int steps = x[0].Length;
            return
            [
                .. Enumerable
                    .Range(0, b.Length)
                    .Select(o =>
                        Enumerable
                            .Range(0, (steps + stride - 1) / stride)
                            .Select(t =>
                            {
                                double sum = b[o];
                                for (int c = 0; c < x.Length; c++)
                                for (int k = 0; k < 3; k++)
                                    if (t * stride + k - 1 is >= 0 and var at && at < steps)
                                        sum += w[(o * x.Length + c) * 3 + k] * x[c][at];
                                return sum;
                            })
                            .ToArray()
                    ),
            ];
        }

        private static double Gelu(double x)
        {
            // Φ by Simpson's rule.
            double sum = 0,
                h = x / 200;
            for (int i = 0; i <= 200; i++)
                sum +=
                    Math.Exp(-(i * h) * (i * h) / 2)
                    * (
                        i is 0 or 200 ? 1
                        : i % 2 == 1 ? 4
                        : 2
                    );
            return x * (0.5 + sum * h / 3 / Math.Sqrt(2 * Math.PI));
        }

        private static double[][] Each(double[][] x, Func<double, double> f) =>
            [.. x.Select(r => r.Select(f).ToArray())];

        private static double[][] Add(double[][] a, double[][] b) =>
            [.. a.Zip(b, (r, s) => r.Zip(s, (p, q) => p + q).ToArray())];

        private double[][] Attend(double[][] x, double[][] seen, string name, int heads, bool isCausal)
        {
            var (q, k, v) = (Linear(x, name + ".query"), Linear(seen, name + ".key"), Linear(seen, name + ".value"));
            int size = q[0].Length / heads;
            double[][] y = [.. q.Select(r => new double[r.Length])];
            for (int h = 0; h < heads; h++)
            for (int i = 0; i < q.Length; i++)
            {
                int many = isCausal ? i + 1 : k.Length;
                double[] scores =
                [
                    .. Enumerable
                        .Range(0, many)
                        .Select(j => Enumerable.Range(h * size, size).Sum(c => q[i][c] * k[j][c]) / Math.Sqrt(size)),
                ];
                double[] shares = KerasReference.Softmax(scores);
                for (int j = 0; j < many; j++)
                for (int c = h * size; c < (h + 1) * size; c++)
                    y[i][c] += shares[j] * v[j][c];
            }
            return Linear(y, name + ".out");
        }

        private double[][] Block(double[][] x, double[][]? audio, string name, int heads)
        {
            var normed = Norm(x, name + ".attn_ln");
            x = Add(x, Attend(normed, normed, name + ".attn", heads, audio is not null));
            if (audio is not null)
                x = Add(x, Attend(Norm(x, name + ".cross_attn_ln"), audio, name + ".cross_attn", heads, false));
            return Add(x, Linear(Each(Linear(Norm(x, name + ".mlp_ln"), name + ".mlp.0"), Gelu), name + ".mlp.2"));
        }

        public double[][] Encode(double[][] mel, WhisperConfig c)
        {
            var y = Each(Conv(Each(Conv(mel, "encoder.conv1", 1), Gelu), "encoder.conv2", 2), Gelu);
            double[][] x =
            [
                .. Enumerable
                    .Range(0, y[0].Length)
                    .Select(t =>
                        y.Select(
                                (row, i) =>
                                {
                                    int half = c.AudioWidth / 2;
                                    double angle = t * Math.Exp(-Math.Log(10_000) * (i % half) / (half - 1));
                                    return row[t] + (i < half ? Math.Sin(angle) : Math.Cos(angle));
                                }
                            )
                            .ToArray()
                    ),
            ];
            for (int i = 0; i < c.AudioLayers; i++)
                x = Block(x, null, $"encoder.blocks.{i}", c.AudioHeads);
            return Norm(x, "encoder.ln_post");
        }

        public double[][] Decode(int[] tokens, double[][] audio, WhisperConfig c)
        {
            var (words, places) = (M("decoder.token_embedding.weight"), M("decoder.positional_embedding"));
            double[][] x = [.. tokens.Select((t, i) => words[t].Zip(places[i], (p, q) => p + q).ToArray())];
            for (int i = 0; i < c.TextLayers; i++)
                x = Block(x, audio, $"decoder.blocks.{i}", c.TextHeads);
            return [.. Norm(x, "decoder.ln").Select(r => words.Select(w => w.Zip(r, (p, q) => p * q).Sum()).ToArray())];
        }
    }
}
