(() => {
  const contents = document.querySelector('.toc details');
  const wide = matchMedia('(min-width: 68rem)');
  const unfold = () => { if (contents) contents.open = wide.matches; };
  wide.addEventListener('change', unfold);
  unfold();

  const parts = [...document.querySelectorAll('.scroll')];
  const settle = () => parts.forEach((part) => {
    const scrolls = part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1;
    if (scrolls) part.tabIndex = 0; else part.removeAttribute('tabindex');
  });
  addEventListener('resize', settle);
  document.addEventListener('toggle', settle, true);
  settle();

  const links = [...document.querySelectorAll('.toc a')];
  const targets = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
  const mark = () => {
    let current = 0;
    targets.forEach((target, i) => { if (target && target.getBoundingClientRect().top < innerHeight / 4) current = i; });
    links.forEach((link, i) => (i === current ? link.setAttribute('aria-current', 'true') : link.removeAttribute('aria-current')));
  };
  if (links.length) { addEventListener('scroll', mark, { passive: true }); mark(); }

  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
  };
  addEventListener('hashchange', reveal);
  reveal();

  let folded = [];
  addEventListener('beforeprint', () => {
    folded = [...document.querySelectorAll('details.fold:not([open]), .text details:not([open])')];
    folded.forEach((part) => { part.open = true; });
  });
  addEventListener('afterprint', () => folded.forEach((part) => { part.open = false; }));
})();
