namespace Picograd.Data;

/// <summary>
/// Functions from picture to picture [channels, height, width], of which <see cref="Compose"/> makes one. What is random draws from
/// <see cref="SampleRandom.Current"/>.
/// </summary>
public static class Transforms
{
    /// <summary>One after the other.</summary>
    public static Func<Tensor, Tensor> Compose(params Func<Tensor, Tensor>[] transforms) =>
        x => transforms.Aggregate(x, (image, transform) => transform(image));

    /// <summary>uint8 to float32 from 0 to 1; floats stay.</summary>
    public static Func<Tensor, Tensor> ToFloat() => x => x.DType.IsFloat() ? x : x.To(DType.Float32) / 255;

    /// <summary>(x − mean) / std of each channel.</summary>
    /// <exception cref="ArgumentException">A deviation of 0, or not as many of both.</exception>
    public static Func<Tensor, Tensor> Normalize(double[] mean, double[] std)
    {
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(std);
        if (mean.Length != std.Length || std.Contains(0))
            throw new ArgumentException(
                $"Normalize: mean has {mean.Length} numbers and std {std.Length}; both must have one each channel, and no std be 0."
            );
        return x =>
            !x.DType.IsFloat()
                ? throw new ArgumentException(
                    $"Normalize: the image is {x.DType.Name()}, but must be of floats; take ToFloat() first."
                )
                : (x - Tensor.From(mean).To(x.DType).Reshape(-1, 1, 1))
                    / Tensor.From(std).To(x.DType).Reshape(-1, 1, 1);
    }

    /// <summary>Another size, by interpolation in a mode of <see cref="F.Interpolate"/>, without smoothing.</summary>
    public static Func<Tensor, Tensor> Resize(long height, long width, string mode = "bilinear") =>
        x =>
        {
            var image = x.DType.IsFloat() ? x : x.To(DType.Float32);
            var made = F.Interpolate(image.Unsqueeze(0), size: [height, width], mode: mode);
            made = made.Squeeze(0);
            return x.DType.IsFloat() ? made : (made + 0.5).Clamp(0, 255).To(x.DType);
        };

    /// <summary>The middle; smaller pictures get zeros around. As torchvision, which rounds halves to even.</summary>
    public static Func<Tensor, Tensor> CenterCrop(long height, long width) =>
        x =>
        {
            long down = Math.Max(0, height - x.Shape[^2]);
            long across = Math.Max(0, width - x.Shape[^1]);
            if (down > 0 || across > 0)
                x = F.Pad(x, [across / 2, (across + 1) / 2, down / 2, (down + 1) / 2]);
            long top = (long)Math.Round((x.Shape[^2] - height) / 2.0);
            long left = (long)Math.Round((x.Shape[^1] - width) / 2.0);
            return Cropped(x, top, left, height, width);
        };

    /// <summary>A part at a random place, after zeros were added around.</summary>
    public static Func<Tensor, Tensor> RandomCrop(long height, long width, long padding = 0) =>
        x =>
        {
            if (padding > 0)
                x = F.Pad(x, [padding, padding, padding, padding]);
            var random = SampleRandom.Current;
            long top = random.NextInt64(0, Math.Max(0, x.Shape[^2] - height) + 1);
            return Cropped(x, top, random.NextInt64(0, Math.Max(0, x.Shape[^1] - width) + 1), height, width);
        };

    /// <summary>Left and right change places, with a probability.</summary>
    public static Func<Tensor, Tensor> RandomHorizontalFlip(double p = 0.5) =>
        x => SampleRandom.Current.NextDouble() < p ? x.Flip(-1) : x;

    /// <summary>Top and bottom change places, with a probability.</summary>
    public static Func<Tensor, Tensor> RandomVerticalFlip(double p = 0.5) =>
        x => SampleRandom.Current.NextDouble() < p ? x.Flip(-2) : x;

    private static Tensor Cropped(Tensor x, long top, long left, long height, long width) =>
        top < 0 || left < 0 || top + height > x.Shape[^2] || left + width > x.Shape[^1]
            ? throw new ArgumentException($"Crop: {height} x {width} pixels are more than a picture of {x.Shape} has.")
            : x.Narrow(-2, top, height).Narrow(-1, left, width);
}
