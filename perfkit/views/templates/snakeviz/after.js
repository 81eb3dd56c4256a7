/* SnakeViz measures the window whenever it draws, and fails where its icicle would have no room: three quarters of
   the width less 90 pixels, four fifths of the height less 60. So a drawing waits while the frame is hidden or not
   laid out yet, and is made again when the frame has another width. */
(function () {
  var latest, drawnWidth = 0, timer, draw = window.redraw_vis;
  function hasRoom() { return window.innerWidth * .75 > 91 && window.innerHeight * .8 > 61; }
  window.redraw_vis = function (json) {
    latest = json;
    drawnWidth = hasRoom() ? window.innerWidth : 0;
    if (drawnWidth) draw(json);
  };
  window.addEventListener('resize', function () {
    clearTimeout(timer);
    timer = setTimeout(function () {
      if (latest && window.innerWidth !== drawnWidth) window.redraw_vis(latest);
    }, 150);
  });
})();
